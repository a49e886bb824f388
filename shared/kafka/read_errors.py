"""What an error that Kafka gives in place of a record means: wait, or a person has to act."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, Message
from confluent_kafka import TopicPartition as Slot

from shared.errors import ContractError, TransientError
from shared.kafka.assignment import ANSWER_SECONDS, made_anew, outside_log
from shared.kafka.config import LIBRDKAFKA, translated
from shared.kafka.known_topics import KnownTopics
from shared.kafka.messages import position_of
from shared.ports import Position, TopicPartition


class ReadErrors:
    """Judges the errors of one member.

    Args:
        consumer: The member.
        group: Its group.
        names: The topics that it reads.
        topics: What is known of them.
        positions: Its positions, as they change.
    """

    def __init__(
        self,
        consumer: Any,
        group: str,
        names: Sequence[str],
        topics: KnownTopics,
        positions: Mapping[TopicPartition, int],
    ) -> None:
        self._consumer = consumer
        self._group = group
        self._names = names
        self._topics = topics
        self._positions = positions

    def judge(self, error: KafkaError, message: Message) -> None:
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

    def _unreadable(self, at: Position) -> ContractError:
        """Return why Kafka has nothing at the offset that we read on from."""
        before, now = self._topics.ids.get(at.topic, ""), self._topics.id_now(at.topic)
        offset = at.offset if at.offset >= 0 else self._positions.get((at.topic, at.partition), -1)
        if before and before != now:
            return made_anew(at.topic, at.partition, offset, before, now)
        slot = Slot(at.topic, at.partition)
        low, high = self._consumer.get_watermark_offsets(slot, timeout=ANSWER_SECONDS, cached=False)
        return outside_log(at.topic, at.partition, offset, low, high)

    def _check_topics(self) -> None:
        """Raise if a topic is gone; a broker that has just started may only not know it yet."""
        try:
            for topic in self._names:
                self._topics.partitions(topic, fresh=True)
        except TransientError as error:
            LIBRDKAFKA.warning("%s: %s", self._group, error)
