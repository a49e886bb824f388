"""Reads topics as a member of a group; commits only what it is told to, and never guesses where to read from."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import wait
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Slot

from shared.closing import Closing
from shared.kafka.admin import KafkaAdmin
from shared.kafka.assignment import Start, StoredOffsets, metadata_of
from shared.kafka.bounded import in_thread
from shared.kafka.commits import Committer
from shared.kafka.config import MIB, error_of, translated
from shared.kafka.fetching import Fetching
from shared.kafka.known_topics import KnownTopics
from shared.kafka.lag import LagWatch
from shared.kafka.messages import record_of
from shared.kafka.options import ReaderOptions, consumer_config
from shared.kafka.owned_partitions import Callback, OwnedPartitions
from shared.kafka.read_errors import ReadErrors
from shared.kafka.topic_watch import TopicWatch
from shared.ports import Record, TopicPartition
from shared.settings import KafkaSettings

__all__ = ["KafkaReader", "ReaderOptions"]

_CLOSE_SECONDS: Final = 20.0


class KafkaReader(Closing):
    """RecordReader on a real broker.

    Args:
        settings: Where Kafka is.
        group_id: The consumer group.
        topics: What to read.
        client_id: Name of this client in the broker's log.
        options: How it behaves.
        stored: Who knows where to read on, if that is not the group.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group_id: str,
        topics: Sequence[str],
        client_id: str,
        options: ReaderOptions | None = None,
        stored: StoredOffsets | None = None,
    ) -> None:
        self._options = options or ReaderOptions()
        self._names = list(topics)
        admin = KafkaAdmin(settings, f"{client_id}-admin")
        self._watch = TopicWatch(admin, self._options.watch_seconds)
        self._lag = LagWatch(admin, self._options.lag_seconds)
        self._consumer: Any = Consumer(consumer_config(settings, group_id, client_id, self._options))
        self._committer = Committer(self._consumer, group_id, self._options.commit_seconds)
        self._topics = KnownTopics(admin)
        self._fetching = Fetching(self._consumer)
        self._owned = OwnedPartitions(
            group_id,
            by_range=self._options.assignment == "range",
            topics=self._topics,
            fetching=self._fetching,
            stored=stored,
        )
        self._errors = ReadErrors(self._consumer, group_id, self._names, self._topics, self._owned.positions)
        self._batch: list[Record] = []
        self._joined = False

    def subscribe(self, on_revoked: Callback, on_lost: Callback) -> None:
        """Join the group; again with other callbacks only replaces them."""
        self._owned.tell(on_revoked, on_lost, self._drop)
        if self._joined:
            return
        for topic in self._names:
            self._topics.partitions(topic, fresh=True)
        self._consumer.subscribe(
            self._names, on_assign=self._owned.assigned, on_revoke=self._owned.revoked, on_lost=self._owned.lost
        )
        self._joined = True

    def poll(self, timeout: float) -> list[Record]:
        """Return the next few records; also where rebalances happen."""
        if self._committer.is_busy(timeout):
            return []
        positions = self._owned.positions
        self._watch.check(self._topics.ids, positions)
        self._lag.check(positions)
        self._fetching.fit(positions.keys())
        size, patience = 0, timeout
        while len(self._batch) < self._options.batch_records and size < self._options.batch_mib * MIB:
            message = self._consumer.poll(patience)
            patience = 0
            self._owned.raise_failed()
            if message is None:
                break
            if message.error() is not None:
                self._errors.judge(message.error(), message)
                continue
            size += len(message)
            self._batch.append(record_of(message))
        if self._fetching.paused:
            return []
        batch, self._batch = self._batch, []
        positions |= {_slot_of(record): record.position.offset + 1 for record in batch}
        return batch

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offset of each partition, with the topic's id beside it."""
        if not offsets:
            return
        slots = [
            Slot(topic, partition, offset, metadata_of(self._topics.ids[topic]))
            for (topic, partition), offset in offsets.items()
        ]
        self._committer.commit(slots, in_callback=self._owned.in_callback)
        for tp, offset in offsets.items():
            if tp in self._owned.positions:
                self._owned.starts[tp] = Start(offset, offset)

    def rewind(self) -> None:
        """Read each assigned partition again from its last committed offset."""
        positions = self._owned.positions
        ahead = {_slot_of(record) for record in self._batch}
        self._batch.clear()
        for (topic, partition), start in self._owned.starts.items():
            if positions[(topic, partition)] == start.position and (topic, partition) not in ahead:
                continue
            try:
                self._consumer.seek(Slot(topic, partition, start.offset))
            except KafkaException as exception:
                raise translated(error_of(exception), f"rewinding {topic}[{partition}]") from None
            positions[(topic, partition)] = start.position

    def pause(self) -> None:
        """Return no records until `resume`."""
        self._fetching.paused = True

    def resume(self) -> None:
        """Return records again."""
        self._fetching.paused = False

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        """Return no records of these partitions, from the next `poll` on until `release`; a rebalance releases them."""
        self._fetching.hold(partitions)

    def release(self, partitions: Collection[TopicPartition]) -> None:
        """Return records of these partitions again."""
        self._fetching.release(partitions)

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record returned, for each assigned partition."""
        return dict(self._owned.positions)

    def partition_count(self, topic: str, *, fresh: bool = False) -> int:
        """Return how many partitions the topic has."""
        return self._topics.partitions(topic, fresh=fresh)

    def close(self) -> None:
        """Leave the group; a broker that hangs is not waited for, it will notice by the session."""
        self._lag.forget()
        if self._committer.is_busy(self._options.commit_seconds):
            return
        closing = in_thread(self._consumer.close)
        if not wait([closing], _CLOSE_SECONDS).not_done:
            closing.result()
        self._owned.raise_failed(leaving=True)

    def _drop(self, gone: frozenset[TopicPartition]) -> None:
        """Drop what was read of partitions that go."""
        self._batch = [record for record in self._batch if _slot_of(record) not in gone]


def _slot_of(record: Record) -> TopicPartition:
    return record.position.topic, record.position.partition
