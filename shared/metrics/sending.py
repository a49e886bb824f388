"""What services that write to Kafka tell."""

from typing import Final

from prometheus_client import Counter

from shared.metrics.instruments import Group
from shared.ports import Outgoing

GROUP: Final = Group("Sending")

RECORDS: Final = GROUP.counter("sent_records", "Records that Kafka acknowledged", "topic")
ROWS: Final = GROUP.counter("sent_rows", "Rows in them, where the record says how many it has", "topic")
BYTES: Final = GROUP.counter("sent_bytes", "Bytes of their values, before compression", "topic")
FAILURES: Final = GROUP.counter("send_failures", "Records that Kafka refused for good", "topic", "error")


class Sent:
    """Counts acknowledged records; the instruments of a topic are looked up once."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Counter, Counter, Counter]] = {}

    def add(self, record: Outgoing) -> None:
        """Count a record."""
        found = self._of.get(record.topic)
        if found is None:
            topic = record.topic
            found = self._of[topic] = RECORDS.labels(topic), ROWS.labels(topic), BYTES.labels(topic)
        records, rows, size = found
        records.inc()
        size.inc(len(record.value))
        said = record.headers.get("rows", b"")
        if said.isdigit():
            rows.inc(int(said))
