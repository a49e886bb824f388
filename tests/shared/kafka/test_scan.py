"""Scans: every committed record once, up to the end as of the call, whatever lies between."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from shared.errors import ContractError
from shared.kafka.scan import read_topic
from shared.ports import Outgoing
from tests.shared.kafka.clusters import RealCluster, fresh_name

pytestmark = pytest.mark.kafka


@pytest.fixture
def cluster(kafka: str) -> Iterator[RealCluster]:
    made = RealCluster(kafka)
    yield made
    made.close()


@pytest.fixture
def topic(cluster: RealCluster) -> str:
    name = fresh_name()
    cluster.make_topic(name, 3)
    return name


def fill(cluster: RealCluster, topic: str, count: int) -> None:
    writer = cluster.writer()
    for n in range(count):
        writer.send(Outgoing(topic, f"K{n % 50}".encode(), str(n).encode()))
    writer.flush(30)


def test_scan_of_an_empty_topic_is_empty(cluster: RealCluster, topic: str) -> None:
    assert list(read_topic(cluster.settings, topic)) == []


def test_scan_of_a_missing_topic_is_a_clear_error(cluster: RealCluster) -> None:
    with pytest.raises(ContractError, match="topic none-such does not exist"):
        read_topic(cluster.settings, "none-such")


def test_scan_returns_each_record_once_in_order_of_its_partition(cluster: RealCluster, topic: str) -> None:
    fill(cluster, topic, 500)
    records = list(read_topic(cluster.settings, topic))

    assert sorted(int(r.value or b"") for r in records) == list(range(500))
    for partition in range(3):
        offsets = [r.position.offset for r in records if r.position.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_scan_ends_where_the_topic_ended_at_the_call(cluster: RealCluster, topic: str) -> None:
    fill(cluster, topic, 100)
    records = read_topic(cluster.settings, topic)
    fill(cluster, topic, 50)

    assert len(list(records)) == 100


def test_scan_of_a_range_returns_exactly_it(cluster: RealCluster, topic: str) -> None:
    fill(cluster, topic, 300)
    one = list(read_topic(cluster.settings, topic, partition=1, start=5, end=9))
    several = list(read_topic(cluster.settings, topic, start={0: 3}, end={0: 4, 1: 0, 2: 2}))

    assert [(r.position.partition, r.position.offset) for r in one] == [(1, 5), (1, 6), (1, 7), (1, 8)]
    assert sorted((r.position.partition, r.position.offset) for r in several) == [(0, 3), (2, 0), (2, 1)]


def test_scan_passes_over_aborted_transactions_and_their_marks(cluster: RealCluster, topic: str, kafka: str) -> None:
    fill(cluster, topic, 10)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": fresh_name("tx")})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"aborted", b"K1")
    producer.flush(30)  # else abort drops it in the client
    producer.abort_transaction(30)
    producer.begin_transaction()
    for partition in range(3):
        producer.produce(topic, b"1000", partition=partition)
    producer.commit_transaction(30)

    values = sorted(int(r.value or b"") for r in read_topic(cluster.settings, topic))

    assert values == [*range(10), 1000, 1000, 1000]


def test_scan_of_a_trimmed_log_begins_with_what_is_left(cluster: RealCluster, topic: str) -> None:
    fill(cluster, topic, 300)
    cluster.trim(topic, 0, 4)

    assert min(r.position.offset for r in read_topic(cluster.settings, topic, partition=0, start=1)) == 4
