"""Reads a topic from its beginning to its end as of now, without a group: for checks, listings and start-up."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as Slot

from shared.errors import TransientError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.config import LIBRDKAFKA, MIB, is_waiting, translated
from shared.kafka.messages import record_of
from shared.kafka.options import groupless_config
from shared.ports import Record
from shared.settings import KafkaSettings

NAME: Final = "tickerstream-scan"
STALL_SECONDS: Final = 60.0


def read_topic(
    settings: KafkaSettings,
    topic: str,
    partition: int | None = None,
    start: Mapping[int, int] | int | None = None,
    end: Mapping[int, int] | int | None = None,
) -> Iterator[Record]:
    """Return the records of `topic` from `start` (default: the first there is) to before `end` (default: as of now).

    Records come in order within a partition; partitions are mixed. Memory is bounded. Offsets without a record
    (compacted, transaction marks) are passed over.

    Args:
        settings: Where Kafka is.
        topic: What to read.
        partition: Only this one.
        start: First offset: of each partition, or by partition.
        end: Offset to stop before: of each partition, or by partition.

    Raises:
        ContractError: there is no such topic.
        TransientError: Kafka does not answer for a minute.
    """
    admin = KafkaAdmin(settings, NAME)
    begin, ends = admin.begin_offsets(topic), admin.end_offsets(topic)
    wanted = ends if partition is None else {partition: ends[partition]}
    ranges = {p: (max(begin[p], _at(start, p, begin[p])), min(high, _at(end, p, high))) for p, high in wanted.items()}
    return _scan(settings, topic, {p: (low, high) for p, (low, high) in ranges.items() if low < high})


def _at(offsets: Mapping[int, int] | int | None, partition: int, default: int) -> int:
    if offsets is None:
        return default
    return offsets if isinstance(offsets, int) else offsets.get(partition, default)


def _scan(settings: KafkaSettings, topic: str, ranges: dict[int, tuple[int, int]]) -> Iterator[Record]:
    if not ranges:
        return
    consumer: Any = Consumer(_scan_config(settings))
    try:
        consumer.assign([Slot(topic, p, low) for p, (low, _) in ranges.items()])
        left = {p: high for p, (_, high) in ranges.items()}
        seen = time.monotonic()
        while left:
            message = consumer.poll(1.0)
            error = None if message is None else message.error()
            if message is None or (error is not None and is_waiting(error)):
                if error is not None:
                    LIBRDKAFKA.warning("reading %s: %s", topic, error.str())
                if time.monotonic() - seen > STALL_SECONDS:
                    raise TransientError(
                        f"Kafka sent nothing of {topic} for {STALL_SECONDS:g} s. Check that the broker runs."
                    )
                continue
            seen = time.monotonic()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise translated(error, f"reading {topic}")
            p, offset = message.partition(), message.offset()
            if p not in left:
                continue
            if error is None and offset < left[p]:
                yield record_of(message)
            if offset + (error is None) >= left[p]:
                del left[p]
                consumer.incremental_unassign([Slot(topic, p)])
    finally:
        consumer.close()


def _scan_config(settings: KafkaSettings) -> dict[str, Any]:
    return groupless_config(settings, NAME, 16) | {
        "enable.partition.eof": True,
        "fetch.max.bytes": 8 * MIB,
        "max.partition.fetch.bytes": 2 * MIB,
    }
