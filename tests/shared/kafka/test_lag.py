"""How far a reader is behind, and what is sent, as Prometheus is told, on a real broker."""

import pytest
from prometheus_client import REGISTRY

from shared.kafka.consumer import KafkaReader, ReaderOptions
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing, Record
from shared.testing.eventually import eventually
from tests.shared.kafka.clusters import RealCluster, fresh_name
from tests.shared.metrics.reading import value

pytestmark = pytest.mark.kafka


def lag(topic: str) -> dict[str, float]:
    samples = (one for family in REGISTRY.collect() for one in family.samples)
    return {
        one.labels["partition"]: one.value
        for one in samples
        if one.name == "tickerstream_consumer_lag_records" and one.labels["topic"] == topic
    }


def test_lag_is_the_distance_to_the_end_also_while_paused(kafka: str) -> None:
    cluster, topic = RealCluster(kafka), fresh_name()
    cluster.make_topic(topic, 2)

    def send(count: int) -> None:
        with KafkaWriter(cluster.settings, "tests") as writer:
            for _ in range(count):
                writer.send(Outgoing(topic, b"A", b"1234", {"rows": b"3"}))
            writer.flush(30)

    send(10)
    assert value("sent_records_total", topic=topic) == 10
    assert value("sent_rows_total", topic=topic) == 30
    assert value("sent_bytes_total", topic=topic) == 40
    options = ReaderOptions(lag_seconds=0.0, batch_records=100)
    with KafkaReader(cluster.settings, fresh_name("g"), [topic], "tests", options) as reader:
        reader.subscribe(lambda _: None, lambda _: None)
        read: list[Record] = []

        def behind() -> list[float]:
            read.extend(reader.poll(0.05))
            return sorted(lag(topic).values())

        eventually(lambda: behind() == [0, 0] and len(read) == 10, seconds=30)
        reader.pause()
        send(7)
        eventually(lambda: behind() == [0, 7])
        assert len(read) == 10
        reader.resume()
        eventually(lambda: behind() == [0, 0])
    assert lag(topic) == {}, "nobody owns them any more"
    cluster.close()
