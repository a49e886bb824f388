"""The writer on a broker that is away, full, or refuses."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from infra.embedded.kafka import KafkaServer
from infra.embedded.ports import free_port
from shared.errors import ContractError, DeliveryError, TransientError
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing, Position
from shared.settings import KafkaSettings
from tests.shared.kafka.clusters import RealCluster, contract, fresh_name

pytestmark = pytest.mark.kafka


@pytest.fixture
def nowhere() -> Iterator[KafkaWriter]:
    """A writer whose broker does not exist."""
    settings = KafkaSettings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}")
    with KafkaWriter(settings, "tests", queue_mib=1, send_seconds=0.2) as writer:
        yield writer


def test_flush_without_broker_refuses_and_says_how_many(nowhere: KafkaWriter) -> None:
    delivered: list[Position] = []
    for _ in range(3):
        nowhere.send(Outgoing("t", b"k", b"v"), delivered.append)

    with pytest.raises(TransientError, match="3 records are not yet acknowledged"):
        nowhere.flush(0.2)
    with pytest.raises(TransientError, match="3 records"):  # they are still there
        nowhere.flush(0.1)
    assert delivered == []


def test_full_queue_waits_then_refuses_the_record(nowhere: KafkaWriter) -> None:
    with pytest.raises(TransientError, match="the queue is full"):
        for _ in range(200):
            nowhere.send(Outgoing("t", b"k", bytes(100_000)))


def test_close_drops_what_is_queued_and_reports_nothing_delivered(nowhere: KafkaWriter) -> None:
    delivered: list[Position] = []
    nowhere.send(Outgoing("t", b"k", b"v"), delivered.append)
    nowhere.close()

    assert delivered == []
    with pytest.raises(DeliveryError):
        nowhere.send(Outgoing("t", b"k", b"v"))


def test_record_above_the_topics_limit_fails_every_later_call(kafka: str) -> None:
    cluster, topic = RealCluster(kafka), fresh_name()
    cluster.admin.provision([contract(topic, max_message_bytes=10_000)])
    writer = cluster.writer()
    noise = b"".join(n.to_bytes(4, "big") for n in range(1, 4_000_000, 97))
    writer.send(Outgoing(topic, b"k", noise))

    with pytest.raises(ContractError, match=f"above max.message.bytes of topic {topic}"):
        writer.flush(20)
    with pytest.raises(ContractError, match=f"above max.message.bytes of topic {topic}"):
        writer.send(Outgoing(topic, b"k", b"small"))
    cluster.close()


def test_record_for_a_missing_topic_fails_the_flush(kafka: str) -> None:
    cluster = RealCluster(kafka)
    writer = cluster.writer()
    writer.send(Outgoing("none-such", b"k", b"v"))

    with pytest.raises(ContractError, match="topic none-such does not exist"):
        writer.flush(30)
    cluster.close()


def test_broker_killed_with_records_under_way_has_each_once_after_its_return(own_kafka: KafkaServer) -> None:
    settings = KafkaSettings(kafka_bootstrap_servers=own_kafka.bootstrap_servers)
    cluster, topic = RealCluster(own_kafka.bootstrap_servers), fresh_name()
    cluster.make_topic(topic, 3)
    delivered: list[Position] = []
    with ExitStack() as stack:
        writer = stack.enter_context(KafkaWriter(settings, "tests"))
        for n in range(4000):
            writer.send(Outgoing(topic, f"K{n}".encode(), bytes(500)), delivered.append)
            if n == 2000:
                own_kafka.kill()
        with pytest.raises(TransientError):
            writer.flush(0.5)
        own_kafka.start()
        own_kafka.wait_healthy()
        writer.flush(60)

    keys = Counter(record.key for record in read_topic(settings, topic))
    assert len(delivered) == len(set(delivered)) == 4000
    assert keys == Counter(f"K{n}".encode() for n in range(4000))
    cluster.close()
