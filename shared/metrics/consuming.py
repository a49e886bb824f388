"""What services that read Kafka tell."""

from typing import Final

from shared.metrics.instruments import SECONDS, SIZES, Group

GROUP: Final = Group("Consuming")

LAG: Final = GROUP.gauge("consumer_lag_records", "Records of a partition that were not yet read", "topic", "partition")
RECORDS: Final = GROUP.counter("consumed_records", "Records handled, refused ones included", "topic")
ROWS: Final = GROUP.counter("consumed_rows", "Rows taken from records", "topic")
RECORD_TIME: Final = GROUP.gauge(
    "consumed_record_timestamp_seconds", "When Kafka received the record that was handled last", "topic"
)
POLL_RECORDS: Final = GROUP.histogram("consume_poll_records", "Records that one poll returned", SIZES)
HANDLE_SECONDS: Final = GROUP.histogram(
    "consume_handle_seconds", "Time to check and handle what one poll returned, pauses included", SECONDS
)
BATCH_RECORDS: Final = GROUP.histogram("consume_batch_records", "Records between two commits", SIZES)
COMMIT_SECONDS: Final = GROUP.histogram(
    "consume_commit_seconds",
    "Time to make a batch durable: `flush` of the effect, `deliver` of dead letters, `commit` of offsets",
    SECONDS,
    "step",
)
UNCOMMITTED: Final = GROUP.gauge(
    "consume_uncommitted_seconds", "Age of the oldest record that was read and is not yet committed"
)
PAUSES: Final = GROUP.counter("consume_pauses", "Times that the loop paused because something did not answer")
PAUSED: Final = GROUP.counter("consume_paused_seconds", "How long the loop was paused")
DEAD_LETTERS: Final = GROUP.counter("dead_letters", "Dead letters sent, by the class of their fault", "reason")
