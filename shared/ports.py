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
            TransientError: the queue stayed full; the record was not queued and may be sent again later.
            PoisonMessageError: this record is larger than any topic takes (`record_too_large`); it was not queued.
            DeliveryError: an earlier record was refused for good.
        """
        ...

    def poll(self) -> None:
        """Serve delivery callbacks without waiting."""
        ...

    def flush(self, timeout: float) -> None:
        """Wait until everything sent is durable.

        Raises:
            TransientError: something is undelivered after `timeout` seconds; it stays queued and is tried on.
            DeliveryError: something was refused for good.
        """
        ...

    def close(self) -> None:
        """Free the client; what is still queued is dropped."""
        ...


TopicPartition = tuple[str, int]
"""A partition: (topic, number)."""


class PartitionsLostError(Exception):
    """The group gave these partitions to somebody else, so the commit did not count. Drop what was read of them."""


class RecordReader(Protocol):
    """Reads topics as a member of a consumer group; commits only what it is told to.

    Callbacks run inside `poll` and `close`, in the caller's thread. An error that one raises comes out of that call.
    """

    def subscribe(
        self,
        on_revoked: Callable[[frozenset[TopicPartition]], None],
        on_lost: Callable[[frozenset[TopicPartition]], None],
    ) -> None:
        """Join the group.

        Args:
            on_revoked: Called while these partitions are still ours, the last chance to commit.
            on_lost: Called when they already belong to somebody else.

        Raises:
            ContractError: a topic does not exist.
            TransientError: Kafka does not answer.
        """
        ...

    def poll(self, timeout: float) -> list[Record]:
        """Return the next few records, at once if there are any, else wait up to `timeout` seconds for the first.

        Raises:
            ContractError: a stored offset lies outside the log, or belongs to a topic of the same name made earlier.
            TransientError: Kafka did not answer while partitions were taken over.
        """
        ...

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offset to read of each partition, durable on return.

        Raises:
            PartitionsLostError: the group gave the partitions to somebody else.
            TransientError: Kafka did not answer; nothing is known of the outcome, committing again is safe.
        """
        ...

    def rewind(self) -> None:
        """Read each assigned partition again from its last committed offset (or from where it was started)."""
        ...

    def pause(self) -> None:
        """Return no records until `resume`; `poll` keeps the membership alive."""
        ...

    def resume(self) -> None:
        """Return records again."""
        ...

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """Return, for each assigned partition, the offset after the last record that `poll` returned."""
        ...

    def partition_count(self, topic: str, *, fresh: bool = False) -> int:
        """Return how many partitions the topic has; `fresh` asks Kafka again.

        Raises:
            TransientError: Kafka does not answer.
        """
        ...

    def close(self) -> None:
        """Leave the group. `on_revoked` is called for what is still assigned."""
        ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as read: its bytes, and the tag of exactly this content (what else is to be known is in the bytes)."""

    data: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing tells of an object. `size` in bytes, `modified` aware, UTC."""

    name: str
    size: int
    modified: datetime


class PreconditionFailedError(Exception):
    """The object is not (or no longer) what the writer thought it was. Read again, merge, write again."""


class ObjectStore(Protocol):
    """Buckets of named, whole objects with compare-and-swap. A reader never sees half of one.

    A name is made of non-empty parts joined by `/`; none begins with a dot. A bucket that does not exist, or that
    refuses our credentials, is a ConfigurationError in every method but `ensure_bucket`, which makes it.
    """

    def ensure_bucket(self, bucket: str) -> bool:
        """Make the bucket unless it is there; return whether it was made now."""
        ...

    def get(self, bucket: str, name: str) -> StoredObject | None:
        """Return the object, or None when there is none. What is returned is durable.

        Raises:
            TransientError: the store did not answer within the bounds of retry.
        """
        ...

    def put(self, bucket: str, name: str, data: bytes, *, expected: str | None) -> str:
        """Write the object if its current etag is `expected` (None: if it does not exist yet); return the new etag.

        Durable on return. When an answer is lost, the adapter finds out whether this write took effect; it can not
        where a rival has written over it since, and raises PreconditionFailedError: the effect is in what the rival
        read, so the caller has to merge as a set, as it does anyway.

        Raises:
            PreconditionFailedError: somebody else wrote it in between.
            TransientError: the store did not answer, or refused for now, within the bounds of retry.
        """
        ...

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects whose name begins with `prefix`, sorted by name, those of `probe` left out."""
        ...

    def probe(self, bucket: str) -> None:
        """Prove on a small object of its own in `bucket` that both conditions of `put` are honoured.

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
