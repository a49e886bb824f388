"""Turns what the client library returns into our records."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Message

from shared.errors import ContractError
from shared.ports import Position, Record


def position_of(message: Message) -> Position:
    """Return where the message lies."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ContractError("Kafka returned a message without a position. Report it with the versions of the client.")
    return Position(topic, partition, offset)


def record_of(message: Message) -> Record:
    """Return our record for confluent-kafka's message."""
    _, milliseconds = message.timestamp()
    return Record(
        position_of(message),
        message.key(),
        message.value(),
        dict(_headers(message)),
        datetime.fromtimestamp(milliseconds / 1000, UTC),
    )


def _headers(message: Message) -> Iterator[tuple[str, bytes]]:
    """Yield the headers, of repeated names the last one counting in a dict; one without a value is empty."""
    found: Any = message.headers() or ()
    for name, value in found:
        yield name, value or b""
