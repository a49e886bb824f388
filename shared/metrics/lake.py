"""What the lake's store tells."""

from typing import Final

from shared.metrics.instruments import SECONDS, Group

GROUP: Final = Group("Lake")

REQUEST_SECONDS: Final = GROUP.histogram(
    "lake_request_seconds", "Time of one call to the store, its retries included", SECONDS, "operation"
)
WRITTEN_OBJECTS: Final = GROUP.counter("lake_written_objects", "Objects written, new ones and new contents", "bucket")
WRITTEN_BYTES: Final = GROUP.counter("lake_written_bytes", "Bytes of them", "bucket")
WRITTEN_ROWS: Final = GROUP.counter("lake_written_rows", "Rows in them that were not in the lake before", "bucket")
READ_BYTES: Final = GROUP.counter("lake_read_bytes", "Bytes of objects read", "bucket")
CONFLICTS: Final = GROUP.counter(
    "lake_conflicts", "Writes that were done again because somebody else wrote the object meanwhile", "bucket"
)
RETRIES: Final = GROUP.counter("lake_retries", "Requests that were sent again inside a call")
FAILURES: Final = GROUP.counter("lake_failures", "Calls that failed after all retries", "operation")
