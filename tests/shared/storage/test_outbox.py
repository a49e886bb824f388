"""The outbox: nothing leaves before COMMIT, nothing committed is lost, whatever is killed."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine, text

from shared import failpoints
from shared.clock import ManualClock
from shared.contracts.topics import START_MODEL
from shared.errors import TransientError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.settings import KafkaSettings, PostgresSettings
from shared.storage.outbox import Outbox, OutboxRelay
from shared.storage.postgres import make_engine, transaction
from shared.testing.eventually import eventually
from shared.testing.memory_broker import MemoryBroker
from shared.testing.memory_kafka import MemoryWriter
from tests.shared.kafka.clusters import contract, fresh_name

BOX = Outbox()
TOPIC = START_MODEL.name


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker({TOPIC: 1}, ManualClock(datetime(2025, 1, 6, tzinfo=UTC)))


@pytest.fixture
def relay(engine: Engine, broker: MemoryBroker) -> OutboxRelay:
    return OutboxRelay(engine, MemoryWriter(broker))


def add(engine: Engine, unique: str, value: bytes = b"{}") -> bool:
    with transaction(engine) as connection:
        return BOX.add(connection, TOPIC, b"run", value, unique, {"schema": b"start_model/1.0"})


def values(broker: MemoryBroker) -> list[bytes | None]:
    return [record.value for record in broker.records(TOPIC)]


def test_message_goes_whole_and_once(engine: Engine, broker: MemoryBroker, relay: OutboxRelay) -> None:
    assert add(engine, "a", b"\x00\xff{}")
    assert relay.send_pending() == 1
    assert relay.send_pending() == 0
    (record,) = broker.records(TOPIC)
    assert (record.key, record.value, dict(record.headers)) == (b"run", b"\x00\xff{}", {"schema": b"start_model/1.0"})


def test_key_may_be_none(engine: Engine, broker: MemoryBroker, relay: OutboxRelay) -> None:
    with transaction(engine) as connection:
        BOX.add(connection, TOPIC, None, b"{}", "a")
    relay.send_pending()
    assert broker.records(TOPIC)[0].key is None


def test_same_unique_key_is_one_message_even_after_it_was_sent(
    engine: Engine, broker: MemoryBroker, relay: OutboxRelay
) -> None:
    assert add(engine, "run/start_model", b"first")
    assert not add(engine, "run/start_model", b"second")
    relay.send_pending()
    assert not add(engine, "run/start_model", b"third")
    assert relay.send_pending() == 0
    assert values(broker) == [b"first"]


def test_rolled_back_message_is_never_sent(engine: Engine, broker: MemoryBroker, relay: OutboxRelay) -> None:
    with pytest.raises(RuntimeError), transaction(engine) as connection:
        BOX.add(connection, TOPIC, None, b"{}", "a")
        assert relay.send_pending() == 0
        raise RuntimeError("a failure after it")
    assert relay.send_pending() == 0
    assert values(broker) == []


def test_many_messages_go_in_order(engine: Engine, broker: MemoryBroker, relay: OutboxRelay) -> None:
    with transaction(engine) as connection:
        for number in range(250):
            BOX.add(connection, TOPIC, b"k", b"%d" % number, f"{number}")
    assert relay.send_pending() == 250
    assert values(broker) == [b"%d" % number for number in range(250)]


def test_broker_that_does_not_answer_leaves_it_for_the_next_time(
    engine: Engine, broker: MemoryBroker, relay: OutboxRelay
) -> None:
    add(engine, "a")
    broker.available = False
    with pytest.raises(TransientError):
        relay.send_pending()
    broker.available = True
    assert relay.send_pending() == 1


def test_failure_between_send_and_mark_sends_again(engine: Engine, broker: MemoryBroker, relay: OutboxRelay) -> None:
    add(engine, "a")
    failpoints.configure("outbox.after_send=raise")
    with pytest.raises(RuntimeError, match=r"outbox\.after_send"):
        relay.send_pending()
    assert relay.send_pending() == 1
    assert values(broker) == [b"{}", b"{}"]
    failpoints.configure("")


def test_what_was_sent_long_ago_is_forgotten_and_nothing_else(engine: Engine, relay: OutboxRelay) -> None:
    for unique in ("old", "recent", "waiting"):
        add(engine, unique)
    sent = text("UPDATE outbox SET sent_at = now() - CAST(:age AS interval) WHERE unique_key = :unique")
    with transaction(engine) as connection:
        connection.execute(sent, {"unique": "old", "age": "31 days"})
        connection.execute(sent, {"unique": "recent", "age": "29 days"})
        connection.execute(text("UPDATE outbox SET created_at = now() - interval '1 year'"))
    assert relay.send_pending() == 1
    with transaction(engine) as connection:
        left = connection.execute(text("SELECT unique_key FROM outbox ORDER BY id")).scalars().all()
    assert left == ["recent", "waiting"]


def test_relays_take_turns(engine: Engine, database: PostgresSettings, broker: MemoryBroker) -> None:
    """In the middle of one relay's sending another one waits, and then finds nothing to send."""
    add(engine, "a")
    found: list[int] = []
    rival = Thread(target=lambda: found.append(OutboxRelay(engine, MemoryWriter(broker)).send_pending()))
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'")
    watching = make_engine(database)

    def one_waits() -> bool:
        with transaction(watching) as connection:
            return connection.execute(waiting).scalar_one() == 1

    class Watched(MemoryWriter):
        def flush(self, timeout: float) -> None:
            rival.start()
            eventually(one_waits)
            super().flush(timeout)

    assert OutboxRelay(engine, Watched(broker)).send_pending() == 1
    rival.join(30)
    watching.dispose()
    assert found == [0]
    assert values(broker) == [b"{}"]


SENDER = """
import sys
from shared.failpoints import configure
from shared.kafka.producer import KafkaWriter
from shared.settings import KafkaSettings, PostgresSettings
from shared.storage.outbox import OutboxRelay
from shared.storage.postgres import make_engine
configure(sys.argv[1])
with KafkaWriter(KafkaSettings.load(), "outbox") as writer:
    OutboxRelay(make_engine(PostgresSettings.load()), writer).send_pending()
"""


def test_killed_between_send_and_mark_loses_nothing(engine: Engine, database: PostgresSettings, kafka: str) -> None:
    settings = KafkaSettings.load(kafka_bootstrap_servers=kafka)
    topic = fresh_name("outbox")
    KafkaAdmin(settings, "test").provision([contract(topic, 1)])
    with transaction(engine) as connection:
        for number in range(3):
            BOX.add(connection, topic, b"k", b"%d" % number, f"{number}")
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "POSTGRES_HOST": database.postgres_host,
        "POSTGRES_PORT": str(database.postgres_port),
        "POSTGRES_DB": database.postgres_db,
        "POSTGRES_USER": database.postgres_user,
        "POSTGRES_PASSWORD": database.postgres_password.get_secret_value(),
        "PYTHONPATH": str(Path.cwd()),
    }
    command = [sys.executable, "-c", SENDER, "outbox.after_send=kill"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [record.value for record in read_topic(settings, topic)] == [b"0", b"1", b"2"]
    with KafkaWriter(settings, "outbox") as writer:
        relay = OutboxRelay(engine, writer)
        assert relay.send_pending() == 3
        assert relay.send_pending() == 0
    assert [record.value for record in read_topic(settings, topic)] == [b"0", b"1", b"2"] * 2
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM outbox WHERE sent_at IS NULL")).scalar_one() == 0
