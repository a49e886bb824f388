"""Counts of what a run read and what the broker confirmed, by topic and partition; they add up over attempts."""

from dataclasses import dataclass, field

from shared.contracts.runs import PartitionCount
from shared.ports import Position


@dataclass(slots=True)
class PartitionTally:
    """What was confirmed on one partition; `next_offset` is the one after the last of it."""

    next_offset: int = 0
    records: int = 0
    rows: int = 0


@dataclass(slots=True)
class TopicTally:
    """Rows of a source by what became of them: read = duplicates + rejected + rows of `partitions`."""

    read: int = 0
    duplicates: int = 0
    rejected: int = 0
    partitions: dict[int, PartitionTally] = field(default_factory=dict)

    @property
    def published(self) -> int:
        """Return how many rows are confirmed."""
        return sum(p.rows for p in self.partitions.values())

    @property
    def records(self) -> int:
        """Return how many records are confirmed."""
        return sum(p.records for p in self.partitions.values())

    def delivered(self, position: Position, rows: int) -> None:
        """Count a confirmed record."""
        tally = self.partitions.setdefault(position.partition, PartitionTally())
        tally.next_offset = max(tally.next_offset, position.offset + 1)
        tally.records += 1
        tally.rows += rows

    def add(self, other: "TopicTally") -> None:
        """Add another count."""
        self.read += other.read
        self.duplicates += other.duplicates
        self.rejected += other.rejected
        for number, theirs in other.partitions.items():
            ours = self.partitions.setdefault(number, PartitionTally())
            ours.next_offset = max(ours.next_offset, theirs.next_offset)
            ours.records += theirs.records
            ours.rows += theirs.rows

    def partition_counts(self) -> tuple[PartitionCount, ...]:
        """Return the counts as the `runs` topic carries them."""
        return tuple(
            PartitionCount(partition=number, next_offset=p.next_offset, records=p.records, rows=p.rows)
            for number, p in sorted(self.partitions.items())
        )


@dataclass(slots=True)
class Tally:
    """Counts by topic, and what was wrong with whole files, one line each."""

    topics: dict[str, TopicTally] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def topic(self, name: str) -> TopicTally:
        """Return the counts of one topic."""
        return self.topics.setdefault(name, TopicTally())

    def add(self, other: "Tally") -> None:
        """Add another count."""
        for name, theirs in other.topics.items():
            self.topic(name).add(theirs)
        self.problems += other.problems

    @property
    def rows(self) -> int:
        """Return how many rows were read in all."""
        return sum(t.read for t in self.topics.values())
