"""Reads topics as a member of a group; commits only what it is told to, and never guesses where to read from."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Slot

from shared.errors import ContractError, TransientError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.assignment import ANSWER_SECONDS, Start, made_anew, metadata_of, outside_log, starts
from shared.kafka.bounded import in_thread
from shared.kafka.config import LIBRDKAFKA, MIB, client_config, error_of, translated
from shared.kafka.messages import position_of, record_of
from shared.ports import PartitionsLostError, Position, Record, TopicPartition
from shared.settings import KafkaSettings

_LOST: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._STATE,
    }
)

Callback = Callable[[frozenset[TopicPartition]], None]


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """How a member of a group behaves.

    Attributes:
        assignment: How partitions are shared; `range` gives one member the same number of every topic.
        session_seconds: A member that is silent for so long has its partitions taken away; None = as in the settings.
        poll_seconds: So does one that does not poll for so long: more than any flush to a slow store takes.
        prefetch_mib: How much is fetched ahead.
        batch_records: Most records that one poll returns.
        batch_mib: One poll stops at so many bytes.
    """

    assignment: Literal["cooperative-sticky", "range"] = "cooperative-sticky"
    session_seconds: float | None = None
    poll_seconds: float = 600.0
    prefetch_mib: int = 16
    batch_records: int = 500
    batch_mib: int = 1


class KafkaReader:
    """RecordReader on a real broker.

    Args:
        settings: Where Kafka is.
        group_id: The consumer group.
        topics: What to read.
        client_id: Name of this client in the broker's log.
        options: How it behaves.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group_id: str,
        topics: Sequence[str],
        client_id: str,
        options: ReaderOptions | None = None,
    ) -> None:
        self._options = options or ReaderOptions()
        self._group = group_id
        self._topics = list(topics)
        self._admin = KafkaAdmin(settings, f"{client_id}-admin")
        self._consumer: Any = Consumer(_consumer_config(settings, group_id, client_id, self._options))
        self._on_revoked: Callback = _ignore
        self._on_lost: Callback = _ignore
        self._next: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, Start] = {}
        self._batch: list[Record] = []
        self._counts: dict[str, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._paused = False
        self._committing: Future[list[Slot]] | None = None
        self._failure: BaseException | None = None

    def subscribe(self, on_revoked: Callback, on_lost: Callback) -> None:
        """Join the group; again with other callbacks only replaces them."""
        joined = self._on_revoked is not _ignore
        self._on_revoked, self._on_lost = on_revoked, on_lost
        if joined:
            return
        for topic in self._topics:
            self.partition_count(topic, fresh=True)
        self._consumer.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._taken_away
        )

    def poll(self, timeout: float) -> list[Record]:
        """Return the next few records; also where rebalances happen."""
        size, patience = 0, timeout
        while len(self._batch) < self._options.batch_records and size < self._options.batch_mib * MIB:
            message = self._consumer.poll(patience)
            patience = 0
            self._raise_failure()
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
        for slot in self._commit_in_time(slots):
            if slot.error is not None:
                raise self._commit_error(slot.error)
        for tp, offset in offsets.items():
            if tp in self._next:
                self._starts[tp] = Start(offset, offset)

    def _commit_in_time(self, slots: list[Slot]) -> list[Slot]:
        """Commit; a broker that hangs would keep the library's own call for ever.

        A call that went over its time may still count later, so the next one waits for its end first.
        """
        silent = TransientError(
            f"Kafka did not confirm the offsets of {self._group} in {ANSWER_SECONDS:g} s. "
            "It is tried again; if it stays, check that the broker runs."
        )
        if self._is_committing():
            raise silent
        self._committing = in_thread(lambda: list(self._consumer.commit(offsets=slots, asynchronous=False)))
        try:
            return self._committing.result(ANSWER_SECONDS)
        except TimeoutError:
            raise silent from None
        except KafkaException as exception:
            raise self._commit_error(error_of(exception)) from None

    def _is_committing(self) -> bool:
        """Return whether a commit that went over its time is still under way, giving it some more."""
        return self._committing is not None and bool(wait([self._committing], ANSWER_SECONDS).not_done)

    def rewind(self) -> None:
        """Read each assigned partition again from its last committed offset."""
        self._batch.clear()
        for (topic, partition), start in self._starts.items():
            if self._next[(topic, partition)] == start.position:
                continue
            try:
                self._consumer.seek(Slot(topic, partition, start.offset))
            except KafkaException as exception:
                raise translated(error_of(exception), f"rewinding {topic}[{partition}]") from None
            self._next[(topic, partition)] = start.position

    def pause(self) -> None:
        """Return no records until `resume`."""
        if not self._paused:
            self._paused = True
            self._consumer.pause(self._slots())

    def resume(self) -> None:
        """Return records again."""
        if self._paused:
            self._paused = False
            self._consumer.resume(self._slots())

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
        if self._is_committing():
            return
        closing = in_thread(self._consumer.close)
        if not wait([closing], 2 * ANSWER_SECONDS).not_done:
            closing.result()
        self._raise_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _slots(self) -> list[Slot]:
        return [Slot(topic, partition) for topic, partition in self._next]

    def _assigned(self, consumer: Any, slots: list[Slot]) -> None:
        """Begin to read partitions; an error is kept for `poll`, because librdkafka calls from inside it."""
        try:
            for topic in {slot.topic for slot in slots}:
                self._counts[topic] = self._admin.partitions(topic)
                self._topic_ids[topic] = self._admin.topic_id(topic)
            found = starts(consumer, slots, self._topic_ids)
        except Exception as error:  # raised again by `poll`
            self._failure = self._failure or error
            found = {}
        begun = [Slot(topic, partition, start.offset) for (topic, partition), start in found.items()]
        if self._options.assignment == "range":
            consumer.assign(begun)
        else:
            consumer.incremental_assign(begun)
        self._starts |= found
        self._next |= {tp: start.position for tp, start in found.items()}
        if self._paused:
            consumer.pause(begun)

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
                callback(gone)
        except BaseException as error:  # raised again by `poll` or `close`
            self._failure = error
        for tp in gone:
            self._next.pop(tp, None)
            self._starts.pop(tp, None)
        if self._options.assignment == "range":
            consumer.unassign()
        else:
            consumer.incremental_unassign(slots)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _commit_error(self, error: KafkaError) -> Exception:
        if error.code() in _LOST:
            return PartitionsLostError(f"{self._group}: the commit did not count: {error.str()}")
        return translated(error, f"committing offsets of {self._group}")

    def _unreadable(self, at: Position) -> ContractError:
        """Return why Kafka has nothing at the offset that we read on from."""
        before, now = self._topic_ids.get(at.topic, ""), self._admin.topic_id(at.topic)
        offset = at.offset if at.offset >= 0 else self._next.get((at.topic, at.partition), -1)
        if before and before != now:
            return made_anew(at.topic, at.partition, offset, before, now)
        slot = Slot(at.topic, at.partition)
        low, high = self._consumer.get_watermark_offsets(slot, timeout=ANSWER_SECONDS, cached=False)
        return outside_log(at.topic, at.partition, offset, low, high)

    def _judge(self, error: KafkaError, message: Message) -> None:
        """Raise what only a person can mend; the rest librdkafka mends by itself."""
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self._unreadable(position_of(message))
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            for topic in self._topics:
                self.partition_count(topic, fresh=True)  # a broker that has just started may not know it yet
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


def _consumer_config(settings: KafkaSettings, group_id: str, client_id: str, options: ReaderOptions) -> dict[str, Any]:
    session = int((options.session_seconds or settings.kafka_session_seconds) * 1000)
    return client_config(settings, client_id) | {
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "partition.assignment.strategy": options.assignment,
        "session.timeout.ms": session,
        "max.poll.interval.ms": int(options.poll_seconds * 1000),
        "heartbeat.interval.ms": max(100, session // 5),
        "queued.max.messages.kbytes": options.prefetch_mib * 1024,
        "fetch.max.bytes": 8 * MIB,
        "max.partition.fetch.bytes": 2 * MIB,
        "fetch.wait.max.ms": 200,
        "allow.auto.create.topics": False,
    }
