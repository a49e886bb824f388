"""A broker in memory that keeps Kafka's promises: partitions by key, offsets, groups, commits, rebalances."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.clock import Clock
from shared.errors import ContractError, PoisonMessageError, TransientError
from shared.kafka.partitioner import partition_of
from shared.ports import Outgoing, PartitionsLostError, Position, Record, TopicPartition

_MOMENT = 0.005
LARGEST_RECORD = 5 * 1024 * 1024
Callback = Callable[[frozenset[TopicPartition]], None]


@dataclass(slots=True)
class _Log:
    records: list[Record | None] = field(default_factory=list)  # by offset; None where retention took it
    low: int = 0

    @property
    def high(self) -> int:
        return len(self.records)


@dataclass(slots=True)
class _Topic:
    id: int
    logs: list[_Log]


@dataclass(slots=True)
class _Group:
    members: list["MemoryReader"] = field(default_factory=list)
    owners: dict[TopicPartition, "MemoryReader"] = field(default_factory=dict)
    stored: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)  # offset, topic id

    def share_of(self, reader: "MemoryReader", partitions: Sequence[TopicPartition]) -> set[TopicPartition]:
        """Return what the member is to own: every n-th partition of what it reads."""
        if reader not in self.members:
            return set()
        return set(partitions[self.members.index(reader) :: len(self.members)])


class MemoryBroker:
    """Topics and groups in memory.

    Args:
        topics: Names and how many partitions each has.
        clock: Stamps the records.
    """

    def __init__(self, topics: Mapping[str, int], clock: Clock) -> None:
        self.available = True
        """Whether it answers; else writers keep what they have and readers cannot commit."""
        self.clock = clock
        self.topics: dict[str, _Topic] = {}
        self.groups: dict[str, _Group] = {}
        self._ids = 0
        for name, partitions in topics.items():
            self.make_topic(name, partitions)

    def make_topic(self, name: str, partitions: int) -> None:
        """Make a topic; one of that name is deleted before, with all it holds and all stored offsets."""
        self._ids += 1
        for group in self.groups.values():
            group.stored = {tp: kept for tp, kept in group.stored.items() if tp[0] != name}
        self.topics[name] = _Topic(self._ids, [_Log() for _ in range(partitions)])

    def writer(self) -> "MemoryWriter":
        """Return a new producer."""
        return MemoryWriter(self)

    def reader(self, group: str, topics: Sequence[str], batch_records: int = 500) -> "MemoryReader":
        """Return a new member of a group."""
        return MemoryReader(self, group, topics, batch_records)

    def log(self, topic: str, partition: int) -> _Log:
        """Return a partition.

        Raises:
            ContractError: there is no such topic.
        """
        if topic not in self.topics:
            raise ContractError(f"topic {topic} does not exist. Provision the topics.")
        return self.topics[topic].logs[partition]

    def records(self, topic: str) -> list[Record]:
        """Return what the topic holds, by partition and offset."""
        return [r for log in self.topics[topic].logs for r in log.records if r is not None]

    def trim(self, topic: str, partition: int, before: int) -> None:
        """Delete the records before an offset, as retention does."""
        log = self.log(topic, partition)
        log.low = before
        log.records[:before] = [None] * before

    def append(self, record: Outgoing, partition: int | None = None) -> Position:
        """Append a record where its key belongs, or where told."""
        if partition is None:
            partition = partition_of(record.key or b"", self.partition_count(record.topic))
        log = self.log(record.topic, partition)
        at = Position(record.topic, partition, log.high)
        log.records.append(Record(at, record.key, record.value, dict(record.headers), self.clock.now()))
        return at

    def partition_count(self, topic: str) -> int:
        """Return how many partitions the topic has."""
        self.log(topic, 0)
        return len(self.topics[topic].logs)

    def group(self, name: str) -> _Group:
        """Return a group; it exists once it is asked for."""
        return self.groups.setdefault(name, _Group())

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """Return the offsets that the group has stored."""
        return {tp: offset for tp, (offset, _) in self.group(group).stored.items()}

    def expire(self, reader: "MemoryReader") -> None:
        """Take everything from a member without asking it, as when its session has expired."""
        reader.expire()


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

    def __init__(self, broker: MemoryBroker, group: str, topics: Sequence[str], batch_records: int) -> None:
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
        self._rebalance()
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
        if not batch:
            time.sleep(min(timeout, _MOMENT))
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
        self._leave()
        self._expired = True

    def close(self) -> None:
        """Leave the group."""
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


def _outside(topic: str, partition: int, offset: int, log: _Log) -> ContractError:
    return ContractError(
        f"topic {topic} partition {partition}: stored offset {offset} is outside the log [{log.low}, {log.high}]."
    )


def _ignore(partitions: frozenset[TopicPartition]) -> None:
    """Do nothing when partitions go."""
