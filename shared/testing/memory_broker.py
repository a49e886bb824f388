"""A broker in memory that keeps Kafka's promises: partitions by key, offsets, groups, commits, rebalances."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock

from shared.clock import Clock
from shared.errors import ContractError
from shared.kafka.partitioner import partition_of
from shared.ports import Outgoing, Position, Record, TopicPartition


@dataclass(slots=True)
class Log:
    """One partition."""

    records: list[Record | None] = field(default_factory=list)  # by offset; None where retention took it
    low: int = 0

    @property
    def high(self) -> int:
        """Return the offset of the next record."""
        return len(self.records)


@dataclass(slots=True)
class Topic:
    """Its partitions, and an id that no other topic ever has."""

    id: int
    logs: list[Log]


@dataclass(slots=True)
class Group:
    """Its members in the order of their joining, who owns what, and what is stored."""

    members: list[Hashable] = field(default_factory=list)
    owners: dict[TopicPartition, Hashable] = field(default_factory=dict)
    stored: dict[TopicPartition, tuple[int, int]] = field(default_factory=dict)  # offset, topic id

    def share_of(self, member: Hashable, partitions: Sequence[TopicPartition]) -> set[TopicPartition]:
        """Return what the member is to own: every n-th partition of what it reads."""
        if member not in self.members:
            return set()
        return set(partitions[self.members.index(member) :: len(self.members)])


class MemoryBroker:
    """Topics and groups in memory.

    Args:
        topics: Names and how many partitions each has.
        clock: Stamps the records.
    """

    def __init__(self, topics: Mapping[str, int], clock: Clock) -> None:
        self.lock = RLock()
        self.available = True
        """Whether it answers; else writers keep what they have and readers cannot commit."""
        self.clock = clock
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self._ids = 0
        for name, partitions in topics.items():
            self.make_topic(name, partitions)

    def make_topic(self, name: str, partitions: int) -> None:
        """Make a topic; one of that name is deleted before, with all it holds and all stored offsets."""
        self._ids += 1
        for group in self.groups.values():
            group.stored = {tp: kept for tp, kept in group.stored.items() if tp[0] != name}
        self.topics[name] = Topic(self._ids, [Log() for _ in range(partitions)])

    def log(self, topic: str, partition: int) -> Log:
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
        with self.lock:
            log = self.log(record.topic, partition)
            at = Position(record.topic, partition, log.high)
            log.records.append(Record(at, record.key, record.value, dict(record.headers), self.clock.now()))
        return at

    def partition_count(self, topic: str) -> int:
        """Return how many partitions the topic has."""
        self.log(topic, 0)
        return len(self.topics[topic].logs)

    def group(self, name: str) -> Group:
        """Return a group; it exists once it is asked for."""
        return self.groups.setdefault(name, Group())

    def committed(self, group: str) -> dict[TopicPartition, int]:
        """Return the offsets that the group has stored."""
        return {tp: offset for tp, (offset, _) in self.group(group).stored.items()}
