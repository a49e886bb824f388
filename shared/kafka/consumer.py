"""Reads topics as a member of a group; commits only what it is told to, and never guesses where to read from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import wait
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Slot

from shared.errors import ContractError, TransientError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.assignment import (
    ANSWER_SECONDS,
    Start,
    StoredOffsets,
    made_anew,
    metadata_of,
    outside_log,
    starts,
    starts_elsewhere,
)
from shared.kafka.bounded import in_thread
from shared.kafka.commits import Committer
from shared.kafka.config import LIBRDKAFKA, MIB, error_of, translated
from shared.kafka.lag import LagWatch
from shared.kafka.messages import position_of, record_of
from shared.kafka.options import ReaderOptions, consumer_config
from shared.kafka.topic_watch import TopicWatch
from shared.ports import Position, Record, TopicPartition
from shared.settings import KafkaSettings

__all__ = ["KafkaReader", "ReaderOptions"]

_CLOSE_SECONDS: Final = 20.0
Callback = Callable[[frozenset[TopicPartition]], None]


class KafkaReader:
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
        self._stored = stored
        self._options = options or ReaderOptions()
        self._group = group_id
        self._topics = list(topics)
        self._admin = KafkaAdmin(settings, f"{client_id}-admin")
        self._watch = TopicWatch(self._admin, self._options.watch_seconds)
        self._lag = LagWatch(self._admin, self._options.lag_seconds)
        self._consumer: Any = Consumer(consumer_config(settings, group_id, client_id, self._options))
        self._committer = Committer(self._consumer, group_id, self._options.commit_seconds)
        self._on_revoked: Callback = _ignore
        self._on_lost: Callback = _ignore
        self._next: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, Start] = {}
        self._batch: list[Record] = []
        self._counts: dict[str, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._held: set[TopicPartition] = set()
        self._unfetched: set[TopicPartition] = set()  # what the client was told to pause
        self._joined = self._paused = self._in_callback = False
        self._failure: BaseException | None = None  # of a callback: whoever loses partitions must hear of it
        self._not_begun: Exception | None = None  # of taking partitions over: of no interest to whoever leaves

    def subscribe(self, on_revoked: Callback, on_lost: Callback) -> None:
        """Join the group; again with other callbacks only replaces them."""
        self._on_revoked, self._on_lost = on_revoked, on_lost
        if self._joined:
            return
        for topic in self._topics:
            self.partition_count(topic, fresh=True)
        self._consumer.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._taken_away
        )
        self._joined = True

    def poll(self, timeout: float) -> list[Record]:
        """Return the next few records; also where rebalances happen."""
        if self._committer.is_busy(timeout):
            return []
        self._watch.check(self._topic_ids, self._next)
        self._lag.check(self._next)
        self._fit_pause()
        size, patience = 0, timeout
        while len(self._batch) < self._options.batch_records and size < self._options.batch_mib * MIB:
            message = self._consumer.poll(patience)
            patience = 0
            self._raise_failure()
            self._raise_not_begun()
            if message is None:
                break
            if message.error() is not None:
                self._judge(message.error(), message)
                continue
            size += len(message)
            self._batch.append(record_of(message))
        if self._paused:
            return []
        batch, self._batch = self._batch, []
        self._next |= {_slot_of(record): record.position.offset + 1 for record in batch}
        return batch

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offset of each partition, with the topic's id beside it."""
        if not offsets:
            return
        slots = [
            Slot(topic, partition, offset, metadata_of(self._topic_ids[topic]))
            for (topic, partition), offset in offsets.items()
        ]
        self._committer.commit(slots, in_callback=self._in_callback)
        for tp, offset in offsets.items():
            if tp in self._next:
                self._starts[tp] = Start(offset, offset)

    def rewind(self) -> None:
        """Read each assigned partition again from its last committed offset."""
        ahead = {_slot_of(record) for record in self._batch}
        self._batch.clear()
        for (topic, partition), start in self._starts.items():
            if self._next[(topic, partition)] == start.position and (topic, partition) not in ahead:
                continue
            try:
                self._consumer.seek(Slot(topic, partition, start.offset))
            except KafkaException as exception:
                raise translated(error_of(exception), f"rewinding {topic}[{partition}]") from None
            self._next[(topic, partition)] = start.position

    def pause(self) -> None:
        """Return no records until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Return records again."""
        self._paused = False

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        """Return no records of these partitions, from the next `poll` on until `release`; a rebalance releases them."""
        self._held |= set(partitions)

    def release(self, partitions: Collection[TopicPartition]) -> None:
        """Return records of these partitions again."""
        self._held -= set(partitions)

    def _fit_pause(self) -> None:
        """Have the client fetch, or not: here, because a call is possible now."""
        wanted = set(self._next) if self._paused else self._held & self._next.keys()
        for change, slots in (
            (self._consumer.pause, wanted - self._unfetched),
            (self._consumer.resume, (self._unfetched - wanted) & self._next.keys()),
        ):
            if slots:
                change([Slot(topic, partition) for topic, partition in slots])
        self._unfetched = wanted

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record returned, for each assigned partition."""
        return dict(self._next)

    def partition_count(self, topic: str, *, fresh: bool = False) -> int:
        """Return how many partitions the topic has."""
        if fresh or topic not in self._counts:
            self._counts[topic] = self._admin.partitions(topic)
        return self._counts[topic]

    def close(self) -> None:
        """Leave the group; a broker that hangs is not waited for, it will notice by the session."""
        self._lag.forget()
        if self._committer.is_busy(self._options.commit_seconds):
            return
        closing = in_thread(self._consumer.close)
        if not wait([closing], _CLOSE_SECONDS).not_done:
            closing.result()
        self._raise_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _assigned(self, consumer: Any, slots: list[Slot]) -> None:
        """Begin to read partitions; an error is kept for `poll`, because librdkafka calls from inside it."""
        try:
            for topic in {slot.topic for slot in slots}:
                self._counts[topic] = self._admin.partitions(topic)
                self._topic_ids[topic] = self._admin.topic_id(topic)
            found = self._found_starts(consumer, slots)
        except Exception as error:  # raised again by `poll`
            self._not_begun = self._not_begun or error
            found = {}
        begun = [Slot(topic, partition, start.offset) for (topic, partition), start in found.items()]
        if self._options.assignment == "range":
            consumer.assign(begun)
        else:
            consumer.incremental_assign(begun)
        self._starts |= found
        self._next |= {tp: start.position for tp, start in found.items()}
        self._unfetched -= found.keys()
        if self._paused:
            consumer.pause(begun)
            self._unfetched |= found.keys()

    def _found_starts(self, consumer: Any, slots: list[Slot]) -> dict[TopicPartition, Start]:
        if self._stored is not None:
            return starts_elsewhere(consumer, slots, self._topic_ids, self._stored)
        return starts(consumer, slots, self._topic_ids)

    def _revoked(self, consumer: Any, slots: list[Slot]) -> None:
        self._let_go(consumer, slots, self._on_revoked)

    def _taken_away(self, consumer: Any, slots: list[Slot]) -> None:
        LIBRDKAFKA.warning("%s: lost %d partitions to other members", self._group, len(slots))
        self._let_go(consumer, slots, self._on_lost)

    def _let_go(self, consumer: Any, slots: list[Slot], callback: Callback) -> None:
        gone = frozenset((slot.topic, slot.partition) for slot in slots)
        self._batch = [record for record in self._batch if _slot_of(record) not in gone]
        try:
            if self._failure is None and gone:
                self._in_callback = True
                callback(gone)
        except BaseException as error:  # raised again by `poll` or `close`
            self._failure = error
        finally:
            self._in_callback = False
        for tp in gone:
            self._next.pop(tp, None)
            self._starts.pop(tp, None)
        self._held -= gone
        self._unfetched -= gone
        if self._options.assignment == "range":
            consumer.unassign()
        else:
            consumer.incremental_unassign(slots)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _raise_not_begun(self) -> None:
        if self._not_begun is not None:
            failure, self._not_begun = self._not_begun, None
            raise failure

    def _unreadable(self, at: Position) -> ContractError:
        """Return why Kafka has nothing at the offset that we read on from."""
        before, now = self._topic_ids.get(at.topic, ""), self._admin.topic_id(at.topic)
        offset = at.offset if at.offset >= 0 else self._next.get((at.topic, at.partition), -1)
        if before and before != now:
            return made_anew(at.topic, at.partition, offset, before, now)
        slot = Slot(at.topic, at.partition)
        low, high = self._consumer.get_watermark_offsets(slot, timeout=ANSWER_SECONDS, cached=False)
        return outside_log(at.topic, at.partition, offset, low, high)

    def _check_topics(self) -> None:
        """Raise if a topic is gone; a broker that has just started may only not know it yet."""
        try:
            for topic in self._topics:
                self.partition_count(topic, fresh=True)
        except TransientError as error:
            LIBRDKAFKA.warning("%s: %s", self._group, error)

    def _judge(self, error: KafkaError, message: Message) -> None:
        """Raise what only a person can mend; the rest librdkafka mends by itself."""
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self._unreadable(position_of(message))
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            self._check_topics()
        elif error.fatal() or error.code() in (
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
        ):
            raise translated(error, f"reading as {self._group}")
        LIBRDKAFKA.warning("%s: %s", self._group, error.str())


def _ignore(partitions: frozenset[TopicPartition]) -> None:
    """Do nothing when partitions go."""


def _slot_of(record: Record) -> TopicPartition:
    return record.position.topic, record.position.partition
