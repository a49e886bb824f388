"""The reader on a broker that hangs, and with assignment by range."""

import os
import signal

import pytest

from infra.embedded.kafka import KafkaServer
from shared.errors import TransientError
from shared.kafka.consumer import KafkaReader, ReaderOptions
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing
from shared.testing.eventually import eventually
from tests.shared.kafka.clusters import RealCluster, fresh_name
from tests.shared.kafka.test_conformance import fill, joined, next_offsets, nothing, read, values

pytestmark = pytest.mark.kafka


def test_commit_on_a_hanging_broker_is_given_up_in_time_and_made_later(own_kafka: KafkaServer) -> None:
    cluster, topic, group = RealCluster(own_kafka.bootstrap_servers), fresh_name(), fresh_name("g")
    cluster.make_topic(topic, 3)
    fill(cluster, topic, 30)
    settings = cluster.settings.model_copy(update={"kafka_session_seconds": 30.0})
    options = ReaderOptions(commit_seconds=0.5)
    reader = KafkaReader(settings, group, [topic], "tests", options)
    offsets = next_offsets(read(joined(reader), 30))
    assert own_kafka.pid is not None
    os.kill(own_kafka.pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            with pytest.raises(TransientError, match=f"did not confirm the offsets of {group} in 0.5 s"):
                reader.commit(offsets)
        assert reader.poll(0.1) == []
        reader.pause()
        reader.resume()
    finally:
        os.kill(own_kafka.pid, signal.SIGCONT)

    def committed() -> bool:
        reader.poll(0.1)
        reader.commit(offsets)
        return True

    def patiently() -> bool:
        try:
            return committed()
        except TransientError:
            return False

    eventually(patiently)
    assert cluster.committed(group, topic) == offsets
    fill(cluster, topic, 5, first=30)
    assert values(read(reader, 5)) == list(range(30, 35))
    reader.close()
    cluster.close()


def test_range_gives_one_member_the_same_number_of_every_topic(kafka: str) -> None:
    cluster, group = RealCluster(kafka), fresh_name("g")
    topics = [fresh_name(), fresh_name()]
    options = ReaderOptions(assignment="range")
    for topic in topics:
        cluster.make_topic(topic, 4)
    readers = [KafkaReader(cluster.settings, group, topics, "tests", options) for _ in range(2)]
    for reader in readers:
        reader.subscribe(nothing, nothing)
    found: list[int] = []

    def shared() -> bool:
        found.extend(int(record.value or b"") for reader in readers for record in reader.poll(0.1))
        return all(len(reader.positions) == 4 for reader in readers)

    eventually(shared)
    with KafkaWriter(cluster.settings, "tests") as writer:
        for n in range(100):
            writer.send(Outgoing(topics[n % 2], f"K{n % 10}".encode(), str(n).encode()))
        writer.flush(30)
    eventually(lambda: shared() and len(found) == 100)

    for reader in readers:
        numbers = {topic: {p for t, p in reader.positions if t == topic} for topic in topics}
        assert numbers[topics[0]] == numbers[topics[1]]
        reader.close()
    assert sorted(found) == list(range(100))
    cluster.close()
