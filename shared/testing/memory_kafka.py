"""Writer and reader of the broker in memory; what the real ones promise, these keep."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from shared.errors import ContractError, PoisonMessageError, TransientError
from shared.ports import Outgoing, PartitionsLostError, Position, Record, TopicPartition
from shared.testing.memory_broker import Log, MemoryBroker

__all__ = ["MemoryBroker", "MemoryReader", "MemoryWriter"]

_MOMENT = 0.005
LARGEST_RECORD = 5 * 1024 * 1024
Callback = Callable[[frozenset[TopicPartition]], None]


class MemoryWriter:
    """RecordWriter on a MemoryBroker: what is sent is delivered at the next call, if the broker is there."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._queue: deque[tuple[Outgoing, Callable[[Position], None] | None]] = deque()

    def send(self, record: Outgoing, on_delivered: Callable[[Position], None] | None = None) -> None:
        """Queue a record."""
        if len(record.value) > LARGEST_RECORD:
            raise PoisonMessageError(f"the record has {len(record.value):,} bytes, too many", "record_too_large")
        self.poll()
        self._queue.append((record, on_delivered))

    def poll(self) -> None:
        """Deliver what is queued."""
        while self._broker.available and self._queue:
            record, on_delivered = self._queue.popleft()
            position = self._broker.append(record)
            if on_delivered is not None:
                on_delivered(position)

    def flush(self, timeout: float) -> None:
        """Deliver everything, or say that it is not possible; it does not wait."""
        self.poll()
        if self._queue:
            raise TransientError(
                f"{len(self._queue)} records are unacknowledged after {timeout:g} s. Start the broker."
            )

    def close(self) -> None:
        """Drop what is queued."""
        self._queue.clear()


class MemoryReader:
    """RecordReader on a MemoryBroker. `poll` waits a moment at most; rebalances happen in it, cooperatively."""

    def __init__(self, broker: MemoryBroker, group: str, topics: Sequence[str], batch_records: int = 500) -> None:
        self._broker = broker
        self._group = broker.group(group)
        self._topics = list(topics)
        self._batch_records = batch_records
        self._on_revoked: Callback = _ignore
        self._on_lost: Callback = _ignore
        self._next: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._topic_ids: dict[str, int] = {}
        self._paused = self._expired = self._joined = False

    def subscribe(self, on_revoked: Callback, on_lost: Callback) -> None:
        """Join the group."""
        for topic in self._topics:
            self._broker.partition_count(topic)
        self._on_revoked, self._on_lost = on_revoked, on_lost
        if not self._joined:
            self._joined = True
            self._group.members.append(self)

    def poll(self, timeout: float) -> list[Record]:
        """Return the next few records; take part in a rebalance first."""
        with self._broker.lock:
            self._rebalance()
            batch = self._fetch()
        if not batch:
            time.sleep(min(timeout, _MOMENT))
        return batch

    def _fetch(self) -> list[Record]:
        batch: list[Record] = []
        for (topic, partition), offset in self._next.items():
            if self._paused or len(batch) >= self._batch_records:
                break
            log = self._broker.log(topic, partition)
            if self._topic_ids[topic] != self._broker.topics[topic].id:
                raise _made_anew(topic, offset)
            if not log.low <= offset <= log.high:
                raise _outside(topic, partition, offset, log)
            found = log.records[offset : offset + self._batch_records - len(batch)]
            batch += [record for record in found if record is not None]
            self._next[(topic, partition)] = offset + len(found)
        return batch

    def _rebalance(self) -> None:
        if self._expired:
            self._expired = False
            lost = frozenset(self._next)
            self._forget(lost)
            if lost:
                self._on_lost(lost)
            self._group.members.append(self)
        everything = [(t, p) for t in self._topics for p in range(self._broker.partition_count(t))]
        share = self._group.share_of(self, everything)
        leaving = frozenset(self._next) - share
        if leaving:
            self._give_up(leaving)
        for tp in sorted(share - self._next.keys()):
            if tp not in self._group.owners:  # else its owner has yet to let it go
                self._starts[tp] = self._next[tp] = self._start(tp)
                self._group.owners[tp] = self

    def _start(self, tp: TopicPartition) -> int:
        log = self._broker.log(*tp)
        self._topic_ids[tp[0]] = self._broker.topics[tp[0]].id
        offset, topic_id = self._group.stored.get(tp, (log.low, self._topic_ids[tp[0]]))
        if topic_id != self._topic_ids[tp[0]]:
            raise _made_anew(tp[0], offset)
        if not log.low <= offset <= log.high:
            raise _outside(*tp, offset, log)
        return offset

    def _give_up(self, partitions: frozenset[TopicPartition]) -> None:
        try:
            self._on_revoked(partitions)
        finally:
            self._forget(partitions)

    def _forget(self, partitions: frozenset[TopicPartition]) -> None:
        for tp in partitions:
            del self._next[tp], self._starts[tp]
            if self._group.owners.get(tp) is self:
                del self._group.owners[tp]

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store offsets of partitions that are ours."""
        with self._broker.lock:
            self._store(offsets)

    def _store(self, offsets: Mapping[TopicPartition, int]) -> None:
        if not self._broker.available:
            raise TransientError("the broker does not answer. Start it.")
        if any(self._group.owners.get(tp) is not self for tp in offsets):
            raise PartitionsLostError("the commit did not count: the partitions belong to somebody else")
        for tp, offset in offsets.items():
            self._group.stored[tp] = (offset, self._topic_ids[tp[0]])
            self._starts[tp] = offset

    def rewind(self) -> None:
        """Go back to what is committed."""
        self._next |= self._starts

    def pause(self) -> None:
        """Return no records until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Return records again."""
        self._paused = False

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the next offset of each assigned partition."""
        return dict(self._next)

    def partition_count(self, topic: str, *, fresh: bool = False) -> int:  # noqa: ARG002  the port's
        """Return how many partitions the topic has."""
        return self._broker.partition_count(topic)

    def expire(self) -> None:
        """Lose everything without being asked; the next `poll` says so and joins again."""
        with self._broker.lock:
            self._expired = self._expired or self in self._group.members
            self._leave()

    def close(self) -> None:
        """Leave the group."""
        with self._broker.lock:
            try:
                if self._next and not self._expired:
                    self._give_up(frozenset(self._next))
            finally:
                self._leave()

    def _leave(self) -> None:
        if self in self._group.members:
            self._group.members.remove(self)
        for tp in [tp for tp, owner in self._group.owners.items() if owner is self]:
            del self._group.owners[tp]


def _made_anew(topic: str, offset: int) -> ContractError:
    return ContractError(f"topic {topic} was deleted and made anew: offset {offset} belongs to the earlier one.")


def _outside(topic: str, partition: int, offset: int, log: Log) -> ContractError:
    return ContractError(
        f"topic {topic} partition {partition}: stored offset {offset} is outside the log [{log.low}, {log.high}]."
    )


def _ignore(partitions: frozenset[TopicPartition]) -> None:
    """Do nothing when partitions go."""
