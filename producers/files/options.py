"""What a person tells about their files, because the files themselves do not."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How to read files of bars.

    Attributes:
        timezone: IANA zone of times that have none, such as America/New_York; None: such a file is refused.
        adjusted: Whether the prices are already adjusted for splits.
        ticker: The ticker of files that name none.
        tickers: Only these; empty: all.
        start: Only bars from here on (aware); None: from the first.
        end: Only bars before this (aware); None: to the last.
        reject_share_max: A file with a greater share of refused rows is given up.
    """

    timezone: str | None = None
    adjusted: bool = False
    ticker: str | None = None
    tickers: frozenset[str] = frozenset()
    start: datetime | None = None
    end: datetime | None = None
    reject_share_max: float = 0.5

    def __post_init__(self) -> None:
        if self.timezone is None:
            return
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigurationError(
                f"--timezone: there is no zone '{self.timezone}'. Give an IANA name such as America/New_York."
            ) from None
