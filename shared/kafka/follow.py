"""Follows a topic as it grows, without a group: for people who watch."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as Slot

from shared.kafka.config import client_config, translated
from shared.kafka.messages import record_of
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
    consumer: Any = Consumer(
        client_config(settings, "tickerstream-follow")
        | {
            "group.id": "tickerstream-follow",  # the client wants one; nothing is ever committed
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 4 * 1024,
        }
    )
    try:
        consumer.assign([Slot(topic, partition, offset) for partition, offset in start.items()])
        while not stopping():
            message = consumer.poll(WAIT_SECONDS)
            error = message.error() if message is not None else None
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise translated(error, f"following {topic}")
            yield record_of(message) if message is not None and error is None else None
    finally:
        consumer.close()
