"""What the aggregator tells."""

from typing import Final

from shared.metrics.instruments import SECONDS, Group

GROUP: Final = Group("Aggregator")

BARS: Final = GROUP.asked_counter("feature_bars", "Valid bars that rows were made of")
FACTS: Final = GROUP.asked_counter("feature_facts", "Slow facts stored")
ROWS: Final = GROUP.asked_counter(
    "feature_rows", "Feature rows stored: `added`, `revised` by later facts, `remade` on request", "kind"
)
TRANSACTION_SECONDS: Final = GROUP.histogram(
    "feature_transaction_seconds", "Time of one transaction: of `facts`, `rows` or `remade` rows", SECONDS, "kind"
)
MADE_AGAIN: Final = GROUP.asked_counter(
    "feature_made_again", "Batches whose rows were made again because slow facts had changed meanwhile"
)
RUNS: Final = GROUP.asked_counter("feature_runs", "Runs that are complete")
REMAKE_REQUESTS: Final = GROUP.gauge(
    "remake_requests_pending", "Requests to make rows again that are not done, of our partitions"
)
NEWEST_BAR: Final = GROUP.gauge("feature_newest_bar_timestamp_seconds", "Start of the newest bar that has a row")
BEHIND: Final = GROUP.gauge(
    "feature_behind_seconds",
    "How long ago Kafka received the oldest bar of the newest transaction; 0 when nothing waits",
)
SENT: Final = GROUP.asked_counter("feature_rows_sent", "Newest rows sent to `features`")
REFUSED: Final = GROUP.asked_counter("feature_refused", "Bars, and whole records, that make no rows", "what")
MEMBERSHIPS: Final = GROUP.asked_counter("feature_memberships", "Times that the aggregator began from what is stored")
