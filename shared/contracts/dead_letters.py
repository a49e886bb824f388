"""Dead letters: what could not be handled, where it came from, why, and its bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.ports import Outgoing

TOPIC = "dead_letters"
MAX_KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message, or the refused rows of one.

    Attributes:
        topic: Where it came from: a topic, or `files:<path>` for a row of a source file.
        partition: Kafka partition; -1 for a file.
        offset: Kafka offset; the row's number (1 = first after the header) for a file.
        error_class: Stable short name, such as `bad_row`.
        reason: One line for people.
        service: Who refused it.
        first_seen: Aware, UTC.
        key: The original key.
        value: The original bytes, or their first MAX_KEPT_BYTES.
        length: How many bytes the original has.
        rows: How many rows are in it, where it is a part of a message; 0 for a whole message.
        headers: The original headers.
    """

    topic: str
    partition: int
    offset: int
    error_class: str
    reason: str
    service: str
    first_seen: datetime
    key: bytes | None
    value: bytes
    length: int
    rows: int = 0
    headers: Mapping[str, bytes] | None = None

    @property
    def whole(self) -> bool:
        """Return whether every original byte is kept, so that it can be replayed."""
        return len(self.value) == self.length

    def to_record(self) -> Outgoing:
        """Return the record for the dead-letter topic; original headers come back with the prefix `original.`."""
        ours = {
            "topic": self.topic,
            "partition": str(self.partition),
            "offset": str(self.offset),
            "length": str(self.length),
            "rows": str(self.rows),
            "error_class": self.error_class,
            "reason": self.reason,
            "service": self.service,
            "first_seen": self.first_seen.isoformat(),
        }
        headers = {name: text.encode() for name, text in ours.items()}
        headers |= {f"original.{name}": value for name, value in (self.headers or {}).items()}
        return Outgoing(TOPIC, self.key, self.value[:MAX_KEPT_BYTES], headers)

    @classmethod
    def from_record(cls, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> "DeadLetter":
        """Return the dead letter in a record of the dead-letter topic; what it does not tell is empty."""

        def text(name: str, default: str = "") -> str:
            return headers.get(name, default.encode()).decode(errors="replace")

        seen = text("first_seen")
        return cls(
            topic=text("topic"),
            partition=int(text("partition", "-1")),
            offset=int(text("offset", "-1")),
            error_class=text("error_class"),
            reason=text("reason"),
            service=text("service"),
            first_seen=datetime.fromisoformat(seen) if seen else datetime.fromtimestamp(0, UTC),
            key=key,
            value=value or b"",
            length=int(text("length", str(len(value or b"")))),
            rows=int(text("rows", "0")),
            headers={n.removeprefix("original."): v for n, v in headers.items() if n.startswith("original.")},
        )
