"""The small ports that services hang adapters on. Each has one conformance suite that every adapter passes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record lies in Kafka. `offset` is the record's own; the next to read is one more."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read from Kafka. `timestamp` is the broker's log-append time, aware, UTC."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to be sent. The key decides the partition (murmur2 of its bytes, as Java's clients do)."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)


class RecordWriter(Protocol):
    """Sends records; idempotent delivery, every acknowledgement checked."""

    def send(self, record: Outgoing, on_delivered: Callable[[Position], None] | None = None) -> None:
        """Queue a record, waiting while the queue is full. `on_delivered` gets its position once it is durable.

        Raises:
            TransientError: an earlier record could not be delivered.
        """
        ...

    def poll(self) -> None:
        """Serve delivery callbacks without waiting."""
        ...

    def flush(self, timeout: float) -> None:
        """Wait until everything sent is durable.

        Raises:
            TransientError: something is undelivered after `timeout` seconds, or was refused.
        """
        ...

    def close(self) -> None:
        """Free the client."""
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as read: its bytes, the tag of exactly this content, and its user metadata."""

    data: bytes
    etag: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing tells of an object. `size` in bytes, `modified` aware, UTC."""

    name: str
    size: int
    modified: datetime


class PreconditionFailedError(Exception):
    """The object is not (or no longer) what the writer thought it was. Read again, merge, write again."""


class ObjectStore(Protocol):
    """Buckets of named, whole, immutable-per-version objects with compare-and-swap. A reader never sees half of one."""

    def ensure_bucket(self, bucket: str) -> None:
        """Make the bucket unless it is there."""
        ...

    def get(self, bucket: str, name: str) -> StoredObject | None:
        """Return the object, or None when there is none.

        Raises:
            TransientError: the store did not answer within the bounds of retry.
        """
        ...

    def put(self, bucket: str, name: str, data: bytes, *, expected: str | None, metadata: Mapping[str, str]) -> str:
        """Write the object if its current etag is `expected` (None: if it does not exist yet); return the new etag.

        Durable on return. When an answer is lost, the adapter finds out whether this write took effect.

        Raises:
            PreconditionFailedError: somebody else wrote it in between.
            TransientError: the store did not answer, or refused for now, within the bounds of retry.
        """
        ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose name begins with `prefix`, sorted by name."""
        ...

    def probe(self) -> None:
        """Prove that both conditions of `put` are honoured.

        Raises:
            ConfigurationError: the store ignores one of them.
        """
        ...


class Progress(Protocol):
    """Where long work reports how far it is: a bar on a terminal, lines in a pipe, the heartbeat in a service."""

    def update(self, done: int, total: int | None, detail: str) -> None:
        """Report `done` of `total` units (None: unknown)."""
        ...


class NoProgress:
    """A Progress for callers that do not look."""

    def update(self, done: int, total: int | None, detail: str) -> None:
        """Do nothing."""
