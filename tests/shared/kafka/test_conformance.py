"""What every broker behind the ports keeps: the real one and the one in memory."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import ContractError, PoisonMessageError
from shared.kafka.partitioner import partition_of
from shared.ports import Outgoing, PartitionsLostError, Position, Record, RecordReader, TopicPartition
from shared.testing.eventually import eventually
from tests.shared.kafka.clusters import Cluster, MemoryCluster, RealCluster, fresh_name

Gone = frozenset[TopicPartition]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    made = MemoryCluster() if request.param == "memory" else RealCluster(request.getfixturevalue("kafka"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def topic(cluster: Cluster) -> str:
    name = fresh_name()
    cluster.make_topic(name, 3)
    return name


def nothing(partitions: Gone) -> None:
    """A callback of a member that has nothing to commit."""


def fill(cluster: Cluster, topic: str, count: int, first: int = 0) -> list[Position]:
    positions: list[Position] = []
    writer = cluster.writer()
    for n in range(first, first + count):
        writer.send(Outgoing(topic, f"K{n % 50}".encode(), str(n).encode(), {"n": str(n).encode()}), positions.append)
    writer.flush(30)
    return positions


def joined(reader: RecordReader) -> RecordReader:
    reader.subscribe(nothing, nothing)
    return reader


def read(reader: RecordReader, count: int) -> list[Record]:
    found: list[Record] = []

    def enough() -> bool:
        found.extend(reader.poll(0.2))
        return len(found) >= count

    eventually(enough)
    return found


def values(records: list[Record]) -> list[int]:
    return sorted(int(record.value or b"-1") for record in records)


def next_offsets(records: list[Record]) -> dict[TopicPartition, int]:
    return {(r.position.topic, r.position.partition): r.position.offset + 1 for r in records}


def test_writer_reports_positions_in_order_and_by_key(cluster: Cluster, topic: str) -> None:
    positions = fill(cluster, topic, 200)

    assert len(positions) == 200
    for partition in range(3):
        offsets = [p.offset for p in positions if p.partition == partition]
        assert sorted(offsets) == list(range(len(offsets)))
        assert offsets


def test_reader_returns_what_was_sent_on_the_partition_of_its_key(cluster: Cluster, topic: str) -> None:
    positions = fill(cluster, topic, 200)

    records = read(joined(cluster.reader(fresh_name("g"), [topic])), 200)

    assert values(records) == list(range(200))
    assert {r.position for r in records} == set(positions)
    for record in records:
        assert record.key is not None
        assert record.position.partition == partition_of(record.key, 3)
        assert record.headers == {"n": record.value}
        assert abs(datetime.now(UTC) - record.timestamp) < timedelta(minutes=5)


def test_record_without_key_value_headers_arrives(cluster: Cluster, topic: str) -> None:
    writer = cluster.writer()
    writer.send(Outgoing(topic, None, b""))
    writer.flush(30)

    (record,) = read(joined(cluster.reader(fresh_name("g"), [topic])), 1)

    assert (record.key, record.value, record.headers) == (None, b"", {})


def test_record_too_large_is_refused_alone(cluster: Cluster, topic: str) -> None:
    writer = cluster.writer()
    writer.send(Outgoing(topic, b"K", b"1"))
    with pytest.raises(PoisonMessageError) as refused:
        writer.send(Outgoing(topic, b"K", bytes(6 * 1024 * 1024)))
    writer.send(Outgoing(topic, b"K", b"2"))
    writer.flush(30)

    assert refused.value.error_class == "record_too_large"
    assert values(read(joined(cluster.reader(fresh_name("g"), [topic])), 2)) == [1, 2]


def test_reader_without_commit_reads_everything_again(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    group = fresh_name("g")
    first = joined(cluster.reader(group, [topic]))
    assert values(read(first, 30)) == list(range(30))
    first.close()

    assert values(read(joined(cluster.reader(group, [topic])), 30)) == list(range(30))


def test_reader_after_commit_reads_only_the_rest(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    group = fresh_name("g")
    first = joined(cluster.reader(group, [topic]))
    offsets = next_offsets(read(first, 30))
    first.commit(offsets)
    first.close()
    fill(cluster, topic, 5, first=30)

    assert cluster.committed(group, topic) == offsets
    assert values(read(joined(cluster.reader(group, [topic])), 5)) == list(range(30, 35))


def test_positions_follow_what_was_returned(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    reader = joined(cluster.reader(fresh_name("g"), [topic]))
    records = read(reader, 30)

    assert dict(reader.positions) == next_offsets(records)


def test_rewind_returns_to_the_start_and_then_to_the_commit(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    reader = joined(cluster.reader(fresh_name("g"), [topic]))
    offsets = next_offsets(read(reader, 30))
    reader.rewind()
    assert values(read(reader, 30)) == list(range(30))
    reader.commit(offsets)
    fill(cluster, topic, 10, first=30)
    assert values(read(reader, 10)) == list(range(30, 40))
    reader.rewind()

    assert values(read(reader, 10)) == list(range(30, 40))


def test_paused_reader_returns_nothing_until_resumed(cluster: Cluster, topic: str) -> None:
    reader = joined(cluster.reader(fresh_name("g"), [topic]))
    eventually(lambda: reader.poll(0.1) or reader.positions)
    reader.pause()
    fill(cluster, topic, 30)
    assert [record for _ in range(5) for record in reader.poll(0.2)] == []
    reader.resume()

    assert values(read(reader, 30)) == list(range(30))


def test_reader_that_joins_while_paused_returns_nothing(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    reader = joined(cluster.reader(fresh_name("g"), [topic]))
    reader.pause()
    eventually(lambda: reader.poll(0.1) or reader.positions)
    assert [record for _ in range(5) for record in reader.poll(0.2)] == []
    reader.resume()

    assert values(read(reader, 30)) == list(range(30))


def test_partition_that_went_while_paused_is_read_when_it_comes_back(cluster: Cluster, topic: str) -> None:
    group = fresh_name("g")
    first = joined(cluster.reader(group, [topic]))
    eventually(lambda: first.poll(0.1) == [] and len(first.positions) == 3)
    first.pause()
    first.poll(0.1)
    second = joined(cluster.reader(group, [topic]))
    eventually(lambda: first.poll(0.1) == second.poll(0.1) == [] and len(first.positions) < 3 and second.positions)
    first.resume()
    first.poll(0.1)
    second.close()
    eventually(lambda: first.poll(0.1) == [] and len(first.positions) == 3)

    fill(cluster, topic, 60)

    assert values(read(first, 60)) == list(range(60))


def test_second_member_takes_over_what_the_first_commits_on_revoke(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 60)
    group = fresh_name("g")
    first, second = cluster.reader(group, [topic]), cluster.reader(group, [topic])
    handled: list[Record] = []
    revoked: list[Gone] = []

    def commit_all(partitions: Gone) -> None:
        if revoked:
            return  # at the end
        revoked.append(partitions)
        first.commit({tp: n for tp, n in next_offsets(handled).items() if tp in first.positions})

    first.subscribe(commit_all, nothing)
    handled += read(first, 60)
    joined(second)
    fill(cluster, topic, 60, first=60)
    later: list[Record] = []

    def all_read() -> bool:
        handled.extend(first.poll(0.1))
        later.extend(second.poll(0.1))
        return len(handled) + len(later) >= 120 and bool(second.positions)

    eventually(all_read)
    first.commit({tp: n for tp, n in next_offsets(handled).items() if tp in first.positions})

    assert revoked
    assert values(handled + later) == list(range(120))
    assert not first.positions.keys() & second.positions.keys()
    assert len(first.positions) + len(second.positions) == 3


def test_member_that_was_thrown_out_cannot_commit_and_is_told(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    group = fresh_name("g")
    slow, other = cluster.hasty_reader(group, [topic]), cluster.reader(group, [topic])
    revoked: list[Gone] = []
    lost: list[Gone] = []
    slow.subscribe(revoked.append, lost.append)
    offsets = next_offsets(read(slow, 30))
    cluster.expire(slow)

    taken = read(joined(other), 30)
    with pytest.raises(PartitionsLostError):
        slow.commit(offsets)
    other.commit(next_offsets(taken))
    eventually(lambda: slow.poll(0.1) or lost)

    assert values(taken) == list(range(30))
    assert frozenset().union(*lost, *revoked) == frozenset(offsets)
    assert cluster.committed(group, topic) == offsets


def test_error_in_a_callback_comes_out_of_close(cluster: Cluster, topic: str) -> None:
    def fail(partitions: Gone) -> None:
        raise RuntimeError("from the callback")

    reader = cluster.reader(fresh_name("g"), [topic])
    reader.subscribe(fail, nothing)
    eventually(lambda: reader.poll(0.1) or reader.positions)

    with pytest.raises(RuntimeError, match="from the callback"):
        reader.close()


def test_log_that_lost_its_beginning_is_read_from_what_is_left_where_nothing_was_stored(
    cluster: Cluster, topic: str
) -> None:
    positions = fill(cluster, topic, 60)
    partition = positions[0].partition
    cluster.trim(topic, partition, 3)

    records = read(joined(cluster.reader(fresh_name("g"), [topic])), 57)

    assert len(records) == 57
    assert min(r.position.offset for r in records if r.position.partition == partition) == 3


def test_stored_offset_below_the_log_stops_and_names_the_gap(cluster: Cluster, topic: str) -> None:
    positions = fill(cluster, topic, 60)
    partition = positions[0].partition
    group = fresh_name("g")
    reader = joined(cluster.reader(group, [topic]))
    read(reader, 60)
    reader.commit({(topic, partition): 2})
    reader.close()
    cluster.trim(topic, partition, 5)
    again = joined(cluster.reader(group, [topic]))

    with pytest.raises(
        ContractError, match=rf"{topic} partition {partition}: stored offset 2 is outside the log \[5, "
    ):
        eventually(lambda: again.poll(0.2) and False)


def remake(cluster: Cluster, topic: str) -> None:
    cluster.delete_topic(topic)
    cluster.make_topic(topic, 3)
    fill(cluster, topic, 120, first=1000)


def test_topic_made_anew_stops_its_reader_even_if_the_offset_fits(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    reader = joined(cluster.reader(fresh_name("g"), [topic]))
    read(reader, 30)
    remake(cluster, topic)

    with pytest.raises(ContractError, match=f"topic {topic} was deleted and made anew"):
        eventually(lambda: reader.poll(0.2) and False)


def test_offset_stored_for_an_earlier_topic_of_the_name_stops_even_if_it_fits(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    group = fresh_name("g")
    reader = joined(cluster.reader(group, [topic]))
    offsets = next_offsets(read(reader, 30))
    remake(cluster, topic)
    reader.commit(offsets)
    reader.close()
    again = joined(cluster.reader(group, [topic]))

    with pytest.raises(ContractError, match=f"topic {topic} was deleted and made anew"):
        eventually(lambda: again.poll(0.2) and False)


def test_topic_made_anew_while_nobody_read_is_read_from_its_start(cluster: Cluster, topic: str) -> None:
    fill(cluster, topic, 30)
    group = fresh_name("g")
    reader = joined(cluster.reader(group, [topic]))
    reader.commit(next_offsets(read(reader, 30)))
    reader.close()
    remake(cluster, topic)

    eventually(lambda: not cluster.committed(group, topic))  # Kafka forgets offsets with their topic
    assert values(read(joined(cluster.reader(group, [topic])), 120)) == list(range(1000, 1120))


def test_missing_topic_is_named_at_once(cluster: Cluster) -> None:
    with pytest.raises(ContractError, match="topic none-such does not exist"):
        joined(cluster.reader(fresh_name("g"), ["none-such"]))


def test_partition_count_is_the_topics(cluster: Cluster, topic: str) -> None:
    reader = cluster.reader(fresh_name("g"), [topic])

    assert reader.partition_count(topic) == reader.partition_count(topic, fresh=True) == 3
