"""Sends what cannot be handled to the dead-letter topic: where it came from, why, and its bytes."""

from collections.abc import Mapping
from typing import Final

from shared.clock import Clock
from shared.contracts.dead_letters import MAX_KEPT_BYTES, DeadLetter
from shared.errors import PoisonMessageError
from shared.metrics.consuming import DEAD_LETTERS
from shared.ports import Record, RecordWriter

MAX_KEY_BYTES: Final = 16 * 1024
MAX_HEADER_BYTES: Final = 64 * 1024


class DeadLetters:
    """Writes dead letters. They are durable only after the writer's `flush`; no offset may be committed before.

    A crash between flush and commit sends a letter again: readers count equal (topic, partition, offset, rows,
    reason) once.

    Args:
        writer: Where they go.
        service: Who refuses, such as `consumers.stock`.
        clock: For `first_seen`.
    """

    def __init__(self, writer: RecordWriter, service: str, clock: Clock) -> None:
        self._writer = writer
        self._service = service
        self._clock = clock
        self.count = 0

    def refuse(self, record: Record, error: PoisonMessageError) -> None:
        """Set a whole record aside."""
        value = record.value or b""
        self._send(self._letter(record, value, len(value), 0, error.reason, error.error_class))

    def refuse_rows(self, record: Record, value: bytes, rows: int, reason: str, error_class: str) -> None:
        """Set rows of a record aside; `value` is those rows, encoded as the record's value is."""
        self._send(self._letter(record, value, len(value), rows, reason, error_class))

    def refuse_source(self, origin: str, row: int, raw: bytes, length: int, reason: str, error_class: str) -> None:
        """Set input that never became a record aside.

        Args:
            origin: `files:<path>` or the source's name.
            row: Number of its (first) row, 1 = first after the header; 0 for a file as a whole.
            raw: Its bytes, or the first of them.
            length: How many bytes it has.
            reason: One line for people.
            error_class: Stable short name.
        """
        now = self._clock.now()
        kept = raw[:MAX_KEPT_BYTES]
        self._send(DeadLetter(origin, -1, row, error_class, reason, self._service, now, None, kept, length))

    def _letter(
        self, record: Record, value: bytes, length: int, rows: int, reason: str, error_class: str
    ) -> DeadLetter:
        at, key = record.position, record.key
        if key is not None and len(key) > MAX_KEY_BYTES:
            reason = f"{reason} (its key of {len(key):,} bytes is cut)"
            key = key[:MAX_KEY_BYTES]
        return DeadLetter(
            at.topic,
            at.partition,
            at.offset,
            error_class,
            reason,
            self._service,
            self._clock.now(),
            key,
            value[:MAX_KEPT_BYTES],
            length,
            rows,
            _bounded(record.headers),
        )

    def _send(self, letter: DeadLetter) -> None:
        self._writer.send(letter.to_record())
        self.count += 1
        DEAD_LETTERS.labels(letter.error_class).inc()


def _bounded(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the headers that fit into MAX_HEADER_BYTES together; the topic's own limit must never refuse a letter."""
    kept, size = {}, 0
    for name, value in headers.items():
        size += len(name) + len(value)
        if size > MAX_HEADER_BYTES:
            break
        kept[name] = value
    return kept
