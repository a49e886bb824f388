"""Settings of the consumers."""

from pydantic import Field

from shared.runtime.loops import CommitPolicy
from shared.settings import Settings


class ConsumerSettings(Settings):
    """When the lake is written, and what memory and patience it has; of the ledger: the share of refusals."""

    lake_flush_seconds: float = Field(60.0, gt=0, description="live bars are in the lake after so long at the latest")
    lake_flush_rows: int = Field(
        100_000, ge=1, description="the lake is written when memory holds as much as so many bars (150 bytes each)"
    )
    lake_writers: int = Field(4, ge=1, le=64, description="objects that are merged at the same time")
    lake_idle_seconds: float = Field(1.0, gt=0, description="history is written when its topic was quiet for so long")
    reject_share_max: float = Field(
        0.5, gt=0, le=1, description="above this share of refused rows among the last 1,000 it pauses; 1 = never"
    )

    @property
    def policy(self) -> CommitPolicy:
        """Return when the loop commits."""
        return CommitPolicy(
            max_rows=self.lake_flush_rows,
            max_seconds=self.lake_flush_seconds,
            idle_seconds=self.lake_idle_seconds,
            reject_share_max=self.reject_share_max,
        )
