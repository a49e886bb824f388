"""Where a partition is read from when it is taken over: its stored offset, if that is still of this topic's log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, KafkaException
from confluent_kafka import TopicPartition as Slot

from shared.errors import ContractError
from shared.kafka.config import error_of, translated
from shared.ports import TopicPartition

ANSWER_SECONDS: Final = 10.0
_ID: Final = "topic_id="


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins: `offset` as asked of Kafka (may be OFFSET_BEGINNING), `position` as a number."""

    offset: int
    position: int


@dataclass(frozen=True, slots=True)
class Log:
    """What Kafka holds of a partition: the topic's id, the first offset still there, the offset after the last."""

    topic_id: str
    first: int
    end: int


StoredOffsets = Callable[[Mapping[TopicPartition, Log]], Mapping[TopicPartition, int]]
"""Says where reading goes on for partitions that were assigned, when that is not the group's to know: next offsets, of
all of them. It is called in the middle of a rebalance, and an error that it raises comes out of `poll`."""


def metadata_of(topic_id: str) -> str:
    """Return what is stored beside each committed offset, so that a topic made anew is noticed."""
    return f"{_ID}{topic_id}"


def starts(consumer: Any, slots: Sequence[Slot], topic_ids: Mapping[str, str]) -> dict[TopicPartition, Start]:
    """Return where to start each partition: at the stored offset; at the log's beginning where none was ever stored.

    Args:
        consumer: The group member that takes them over.
        slots: The partitions.
        topic_ids: Kafka's id of each topic as of now.

    Raises:
        ContractError: a stored offset is outside the log, or was stored for an earlier topic of this name.
        TransientError: Kafka does not answer.
    """
    if not slots:
        return {}
    try:
        found = {}
        for slot in consumer.committed(list(slots), timeout=ANSWER_SECONDS):
            low, high = consumer.get_watermark_offsets(slot, timeout=ANSWER_SECONDS, cached=False)
            found[(slot.topic, slot.partition)] = _start(slot, low, high, topic_ids[slot.topic])
        return found
    except KafkaException as exception:
        raise translated(error_of(exception), "looking up stored offsets") from None


def starts_elsewhere(
    consumer: Any, slots: Sequence[Slot], topic_ids: Mapping[str, str], stored: StoredOffsets
) -> dict[TopicPartition, Start]:
    """Return where to start each partition by offsets that are kept outside Kafka.

    Args:
        consumer: The group member that takes them over.
        slots: The partitions.
        topic_ids: Kafka's id of each topic as of now.
        stored: Knows the offsets.

    Raises:
        ContractError: an offset is outside the log.
        TransientError: Kafka does not answer.
    """
    try:
        logs = {}
        for slot in slots:
            low, high = consumer.get_watermark_offsets(slot, timeout=ANSWER_SECONDS, cached=False)
            logs[(slot.topic, slot.partition)] = Log(topic_ids[slot.topic], low, high)
    except KafkaException as exception:
        raise translated(error_of(exception), "looking up the ends of partitions") from None
    found = stored(logs) if logs else {}
    for (topic, partition), log in logs.items():
        offset = found[(topic, partition)]
        if not log.first <= offset <= log.end:
            raise outside_log(topic, partition, offset, log.first, log.end)
    return {tp: Start(found[tp], found[tp]) for tp in logs}


def _start(slot: Slot, low: int, high: int, topic_id: str) -> Start:
    if slot.offset < 0:
        return Start(OFFSET_BEGINNING, low)
    stored_for = (slot.metadata or "").removeprefix(_ID)
    if stored_for and stored_for != topic_id:
        raise made_anew(slot.topic, slot.partition, slot.offset, stored_for, topic_id)
    if not low <= slot.offset <= high:
        raise outside_log(slot.topic, slot.partition, slot.offset, low, high)
    return Start(slot.offset, slot.offset)


def made_anew(topic: str, partition: int, offset: int, before: str, now: str) -> ContractError:
    """Return the error for an offset of a topic that is no longer there, though its name is."""
    return ContractError(
        f"topic {topic} was deleted and made anew: offset {offset} of partition {partition} belongs to the earlier one "
        f"({before}, now {now}). Reset the group's offsets to read the new one from its start."
    )


def outside_log(topic: str, partition: int, offset: int, low: int, high: int) -> ContractError:
    """Return the error for an offset that the log does not (or no longer) hold, which names the gap."""
    if offset < low:
        gap = f"records {offset} to {low - 1} are gone (retention)"
    elif offset > high:
        gap = f"records {high} to {offset - 1} were there once (the log was cut)"
    else:
        gap = "the log was cut before it and written again"
    return ContractError(
        f"topic {topic} partition {partition}: stored offset {offset} is outside the log [{low}, {high}]; {gap}. "
        "Load what is missing again from its source, then reset the group's offsets."
    )
