"""Dead letters carry origin, reason and bytes, and always fit their topic."""

from datetime import UTC, datetime

import pytest

from shared.clock import ManualClock
from shared.contracts.dead_letters import MAX_KEPT_BYTES, TOPIC, DeadLetter
from shared.contracts.topics import DEAD_LETTERS
from shared.errors import PoisonMessageError
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Position, Record
from shared.testing.memory_kafka import MemoryBroker, MemoryWriter
from tests.shared.kafka.clusters import RealCluster

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker({TOPIC: 1}, ManualClock(AT))


def sent(broker: MemoryBroker) -> list[DeadLetter]:
    return [DeadLetter.from_record(r.key, r.value, r.headers) for r in broker.records(TOPIC)]


def record(value: bytes, key: bytes = b"AAPL", headers: dict[str, bytes] | None = None) -> Record:
    return Record(Position("h_alpaca", 2, 17), key, value, headers or {}, AT)


def test_refuse_keeps_origin_reason_and_bytes(broker: MemoryBroker) -> None:
    writer = MemoryWriter(broker)
    dead = DeadLetters(writer, "consumers.stock", ManualClock(AT))
    dead.refuse(record(b"junk", headers={"run": b"r1"}), PoisonMessageError("not Arrow", "bad_arrow"))
    writer.flush(1)

    assert dead.count == 1
    assert sent(broker) == [
        DeadLetter(
            "h_alpaca", 2, 17, "bad_arrow", "not Arrow", "consumers.stock", AT, b"AAPL", b"junk", 4, 0, {"run": b"r1"}
        )
    ]


def test_refuse_rows_keeps_the_rows_and_their_number(broker: MemoryBroker) -> None:
    writer = MemoryWriter(broker)
    dead = DeadLetters(writer, "consumers.stock", ManualClock(AT))
    dead.refuse_rows(record(b"all of it"), b"two rows", 2, "volume is negative", "bad_row")
    writer.flush(1)

    (letter,) = sent(broker)
    assert (letter.value, letter.length, letter.rows, letter.whole) == (b"two rows", 8, 2, True)


def test_refuse_source_keeps_file_row_and_length(broker: MemoryBroker) -> None:
    writer = MemoryWriter(broker)
    dead = DeadLetters(writer, "producers.stock", ManualClock(AT))
    dead.refuse_source("files:a.csv", 9, b"x" * MAX_KEPT_BYTES, 1_000_000, "no zone", "bad_row")
    writer.flush(1)

    (letter,) = sent(broker)
    assert (letter.topic, letter.partition, letter.offset) == ("files:a.csv", -1, 9)
    assert (len(letter.value), letter.length, letter.whole) == (MAX_KEPT_BYTES, 1_000_000, False)


@pytest.mark.kafka
def test_largest_letter_fits_the_topic(kafka: str) -> None:
    cluster = RealCluster(kafka)
    cluster.admin.provision([DEAD_LETTERS])
    huge = record(bytes(range(256)) * 16_000, bytes(range(256)) * 8_000, {f"h{n}": bytes(9_000) for n in range(200)})
    with KafkaWriter(cluster.settings, "tests") as writer:
        DeadLetters(writer, "test-largest", ManualClock(AT)).refuse(huge, PoisonMessageError("too much", "huge"))
        writer.flush(30)

    found = [DeadLetter.from_record(r.key, r.value, r.headers) for r in read_topic(cluster.settings, TOPIC)]
    (letter,) = [one for one in found if one.service == "test-largest"]
    assert letter.length == len(huge.value or b"")
    assert letter.value == (huge.value or b"")[:MAX_KEPT_BYTES]
    assert letter.reason.startswith("too much (its key of 2,048,000 bytes is cut")
    cluster.close()
