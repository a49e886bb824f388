"""The reader where offsets are kept outside Kafka, and where single partitions are held back."""

from collections.abc import Mapping

import pytest

from shared.errors import ContractError
from shared.kafka.assignment import Log
from shared.kafka.consumer import KafkaReader, ReaderOptions
from shared.ports import TopicPartition
from tests.shared.kafka.clusters import RealCluster, fresh_name
from tests.shared.kafka.test_conformance import fill, joined, next_offsets, read, values

pytestmark = pytest.mark.kafka
RANGE = ReaderOptions(assignment="range")


def test_reader_starts_at_the_offsets_it_is_told_and_not_at_the_groups(kafka: str) -> None:
    cluster, topic, group = RealCluster(kafka), fresh_name(), fresh_name("g")
    cluster.make_topic(topic, 3)
    sent = fill(cluster, topic, 60)
    told: dict[TopicPartition, Log] = {}

    def stored(logs: Mapping[TopicPartition, Log]) -> Mapping[TopicPartition, int]:
        told.update(logs)
        return {tp: log.first + 5 for tp, log in logs.items()}

    first = joined(cluster.reader(group, [topic]))
    first.commit(next_offsets(read(first, 60)))
    first.close()
    reader = joined(KafkaReader(cluster.settings, group, [topic], "tests", RANGE, stored))

    records = read(reader, 45)

    assert {r.position for r in records} == {p for p in sent if p.offset >= 5}
    ends = {p: max(s.offset for s in sent if s.partition == p) + 1 for p in range(3)}
    assert told == {(topic, p): Log(cluster.admin.topic_id(topic), 0, ends[p]) for p in range(3)}
    reader.close()
    cluster.close()


def test_offset_told_outside_the_log_stops_the_reader_and_names_the_gap(kafka: str) -> None:
    cluster, topic = RealCluster(kafka), fresh_name()
    cluster.make_topic(topic, 1)
    fill(cluster, topic, 3)
    reader = joined(
        KafkaReader(cluster.settings, fresh_name("g"), [topic], "tests", RANGE, lambda logs: dict.fromkeys(logs, 9))
    )

    with pytest.raises(ContractError, match="stored offset 9 is outside the log"):
        read(reader, 1)
    reader.close()
    cluster.close()


def test_held_partition_waits_while_the_others_go_on(kafka: str) -> None:
    cluster, topic = RealCluster(kafka), fresh_name()
    cluster.make_topic(topic, 3)
    first = fill(cluster, topic, 30)
    reader = KafkaReader(cluster.settings, fresh_name("g"), [topic], "tests", RANGE)
    read(joined(reader), 30)
    reader.hold([(topic, 1)])
    reader.poll(0)

    later = fill(cluster, topic, 60, first=30)
    elsewhere = [p for p in later if p.partition != 1]
    seen = read(reader, len(elsewhere))
    assert {r.position for r in seen} == set(elsewhere)
    reader.pause()
    reader.poll(0)
    reader.resume()
    assert reader.poll(0.5) == []

    reader.release([(topic, 1)])
    rest = read(reader, len(later) - len(elsewhere))
    assert {r.position for r in rest} == {p for p in later if p.partition == 1}
    assert len(first) + len(seen) + len(rest) == 90
    assert values(rest) == sorted(values(rest))
    reader.close()
    cluster.close()
