"""Settings of the aggregator."""

from pydantic import Field

from shared.kafka.options import ReaderOptions
from shared.settings import Settings


class AggregatorSettings(Settings):
    """How much is done at once, and what memory there is for it."""

    aggregator_batch_mib: int = Field(1, ge=1, le=64, description="one transaction takes so many MiB of messages")
    aggregator_batch_records: int = Field(2000, ge=1, description="and at most so many messages")
    aggregator_cache_mib: int = Field(64, ge=1, description="memory for the last weeks' bars of each ticker, packed")
    aggregator_prefetch_mib: int = Field(8, ge=1, description="memory for messages that are fetched ahead")
    aggregator_remake_weeks: int = Field(8, ge=1, description="ticker-weeks that one transaction makes again")
    aggregator_refresh_seconds: float = Field(5.0, gt=0, description="how often the active tickers are looked up")
    aggregator_publish_seconds: float = Field(
        2.0, ge=0, description="while history is read, the newest rows are sent so often; else at once"
    )
    aggregator_retry_seconds: float = Field(1.0, gt=0, description="first pause when a server does not answer")
    aggregator_retry_max_seconds: float = Field(30.0, gt=0, description="longest such pause")

    def reader_options(self) -> ReaderOptions:
        """Return how the member of the group behaves; by range, so that it owns both partitions of a ticker."""
        return ReaderOptions(
            assignment="range",
            prefetch_mib=self.aggregator_prefetch_mib,
            batch_records=self.aggregator_batch_records,
            batch_mib=self.aggregator_batch_mib,
        )
