"""Clients that live on while the broker is killed and comes back: each answer is only late, never lost or wrong."""

from infra.embedded.kafka import KafkaServer
from shared.kafka.admin import KafkaAdmin
from shared.kafka.consumer import KafkaReader
from shared.kafka.follow import follow_batches
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing, Record
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually
from tests.shared.kafka.clusters import contract

TOPIC, GROUP, RECORDS = "t", "g", 400
# So large that no client has all of them before it asks again: what it lacks has to come from the broker anew.
VALUE = bytes(64 * 1024)


def commit_all(settings: KafkaSettings) -> None:
    with KafkaReader(settings, GROUP, [TOPIC], "tests") as reader:
        reader.subscribe(lambda _: None, lambda _: None)
        eventually(lambda: (reader.poll(0.1), reader.positions)[1] == {(TOPIC, 0): RECORDS})
        reader.commit(reader.positions)


def test_clients_that_outlive_the_broker_answer_as_before(own_kafka: KafkaServer) -> None:
    settings = KafkaSettings.load(kafka_bootstrap_servers=own_kafka.bootstrap_servers)
    admin = KafkaAdmin(settings)
    admin.provision([contract(TOPIC, 1)])
    with KafkaWriter(settings, "tests") as writer:
        for number in range(RECORDS):
            writer.send(Outgoing(TOPIC, str(number).encode(), VALUE))
        writer.flush(30)
    commit_all(settings)
    assert admin.committed(GROUP, [TOPIC]) == {(TOPIC, 0): RECORDS}
    scan = read_topic(settings, TOPIC)
    followed: list[Record] = []
    follow = follow_batches(settings, TOPIC, {0: 0}, lambda: len(followed) >= RECORDS, most=10)
    offsets = [next(scan).position.offset]
    followed += next(follow)

    for _ in range(2):
        own_kafka.kill()
        own_kafka.start()  # it is not waited for: the questions are there before the broker is
        assert admin.committed(GROUP, [TOPIC]) == {(TOPIC, 0): RECORDS}
        assert admin.end_offsets(TOPIC) == {0: RECORDS}
        assert admin.partitions(TOPIC) == 1
    offsets += [record.position.offset for record in scan]
    for batch in follow:
        followed += batch

    assert offsets == [record.position.offset for record in followed] == list(range(RECORDS))
