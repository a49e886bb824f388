"""Follows a topic as it grows, without a group: for people who watch."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as Slot

from shared.kafka.config import LIBRDKAFKA, is_waiting, translated
from shared.kafka.messages import record_of
from shared.kafka.options import groupless_config
from shared.ports import Record
from shared.settings import KafkaSettings

WAIT_SECONDS = 0.5


def follow_topic(
    settings: KafkaSettings, topic: str, start: Mapping[int, int], stopping: Callable[[], bool]
) -> Iterator[Record | None]:
    """Yield the records of `topic` from the offsets in `start` on; None whenever there is nothing new.

    Args:
        settings: Where Kafka is.
        topic: What to follow.
        start: First offset by partition; other partitions are not read.
        stopping: Asked after every record and at least twice a second.

    Raises:
        TransientError: Kafka reports an error that the client does not mend by itself.
        ContractError: the topic is gone.
    """
    for batch in follow_batches(settings, topic, start, stopping, most=1):
        yield batch[0] if batch else None


def follow_batches(
    settings: KafkaSettings, topic: str, start: Mapping[int, int], stopping: Callable[[], bool], most: int = 500
) -> Iterator[list[Record]]:
    """Yield the records of `topic` from the offsets in `start` on, as many at once as are there, `most` at most.

    The list is empty whenever there was nothing new for WAIT_SECONDS. Arguments and errors as of `follow_topic`.
    """
    consumer: Any = Consumer(groupless_config(settings, "tickerstream-follow", 4))
    try:
        consumer.assign([Slot(topic, partition, offset) for partition, offset in start.items()])
        while not stopping():
            first = consumer.poll(WAIT_SECONDS)
            more = consumer.consume(most - 1, 0) if first is not None and most > 1 else []
            yield [
                record_of(message) for message in (first, *more) if message is not None and _is_record(message, topic)
            ]
    finally:
        consumer.close()


def _is_record(message: Message, topic: str) -> bool:
    error = message.error()
    if error is not None and is_waiting(error):
        LIBRDKAFKA.warning("following %s: %s", topic, error.str())
    elif error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise translated(error, f"following {topic}")
    return error is None
