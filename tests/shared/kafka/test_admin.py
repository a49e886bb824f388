"""Provisioning and looking at the cluster, on a real broker."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from infra.embedded.ports import free_port
from shared.contracts.topics import TopicContract
from shared.errors import ConfigurationError, ContractError, TransientError
from shared.kafka.admin import KafkaAdmin
from shared.ports import Outgoing
from shared.settings import KafkaSettings
from tests.shared.kafka.clusters import RealCluster, contract, fresh_name

pytestmark = pytest.mark.kafka


@pytest.fixture
def cluster(kafka: str) -> Iterator[RealCluster]:
    made = RealCluster(kafka)
    yield made
    made.close()


def config(kafka: str, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    client = AdminClient({"bootstrap.servers": kafka})
    return {name: entry.value for name, entry in client.describe_configs([resource])[resource].result(20).items()}


def sharded(name: str) -> TopicContract:
    return replace(contract(name), sharded=True)


def test_provision_makes_the_topic_as_its_contract_says(cluster: RealCluster, kafka: str) -> None:
    topic = replace(contract(fresh_name(), 4, 2_000_000), cleanup="compact", retention_ms=86_400_000)
    lines = cluster.admin.provision([topic])

    made = config(kafka, topic.name)
    assert lines == [f"{topic.name}: made with 4 partitions"]
    assert cluster.admin.partitions(topic.name) == 4
    assert made["cleanup.policy"] == "compact"
    assert made["segment.ms"] == made["max.compaction.lag.ms"] == "3600000"
    assert made["retention.ms"] == "86400000"
    assert made["max.message.bytes"] == "2000000"
    assert made["message.timestamp.type"] == "LogAppendTime"
    assert made["min.insync.replicas"] == "1"


def test_provision_again_changes_nothing(cluster: RealCluster) -> None:
    topics = [contract(fresh_name()), sharded(fresh_name())]
    cluster.admin.provision(topics)

    assert cluster.admin.provision(topics) == []


def test_provision_mends_a_drifted_setting_and_says_so(cluster: RealCluster, kafka: str) -> None:
    topic = contract(fresh_name())
    cluster.admin.provision([replace(topic, retention_ms=1000)])

    assert cluster.admin.provision([topic]) == [f"{topic.name}: retention.ms 1000 -> -1"]
    assert config(kafka, topic.name)["retention.ms"] == "-1"


def test_provision_gives_an_empty_topic_more_partitions(cluster: RealCluster, kafka: str) -> None:
    topic = sharded(fresh_name())
    KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=kafka, kafka_partitions=2)).provision([topic])
    more = KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=kafka, kafka_partitions=5))

    assert more.provision([topic]) == [f"{topic.name}: empty, partitions 2 -> 5"]
    assert more.provision([topic]) == []
    assert more.partitions(topic.name) == 5


@pytest.mark.parametrize("wanted", [2, 5])
def test_provision_refuses_other_partitions_for_a_topic_with_data(
    cluster: RealCluster, kafka: str, wanted: int
) -> None:
    topic = sharded(fresh_name())
    KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=kafka, kafka_partitions=3)).provision([topic])
    writer = cluster.writer()
    writer.send(Outgoing(topic.name, b"k", b"v"))
    writer.flush(30)

    with pytest.raises(ConfigurationError, match=f"has 3 partitions, wanted {wanted}.* Set KAFKA_PARTITIONS=3"):
        KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=kafka, kafka_partitions=wanted)).provision([topic])


def test_provision_with_more_replicas_than_brokers_is_refused(kafka: str) -> None:
    admin = KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=kafka, kafka_replication=3))

    with pytest.raises(ConfigurationError, match="refused to provision"):
        admin.provision([contract(fresh_name())])


def test_topic_id_changes_with_a_topic_made_anew(cluster: RealCluster) -> None:
    name = fresh_name()
    cluster.make_topic(name, 1)
    before = cluster.admin.topic_id(name)
    cluster.delete_topic(name)
    cluster.make_topic(name, 1)

    assert cluster.admin.topic_id(name) not in (before, "")


def test_missing_topic_is_a_clear_error(cluster: RealCluster) -> None:
    for ask in (cluster.admin.partitions, cluster.admin.topic_id, cluster.admin.end_offsets):
        with pytest.raises(ContractError, match="topic none-such does not exist"):
            ask("none-such")


def test_offsets_of_a_topic_and_a_group_without_any(cluster: RealCluster) -> None:
    name = fresh_name()
    cluster.make_topic(name, 2)

    assert cluster.admin.end_offsets(name) == cluster.admin.begin_offsets(name) == {0: 0, 1: 0}
    assert cluster.admin.committed(fresh_name("g"), [name]) == {}
    assert len(cluster.admin.cluster_id()) == 22


def test_broker_that_does_not_answer_is_a_transient_error() -> None:
    admin = KafkaAdmin(KafkaSettings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}"), patience=0.1, answer=0.5)

    with pytest.raises(TransientError, match="listing topics"):
        admin.topics()
