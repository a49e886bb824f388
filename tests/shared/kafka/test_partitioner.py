"""The partitioner is Java's: known vectors, and where a real client puts keys."""

import random

import pytest

from shared.kafka.partitioner import murmur2, partition_of
from shared.ports import Outgoing, Position
from tests.shared.kafka.clusters import RealCluster, fresh_name


@pytest.mark.parametrize(
    ("key", "signed"),
    [  # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_known_vectors_match_java(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


@pytest.mark.kafka
def test_partition_of_any_key_is_where_the_client_sends_it(kafka: str) -> None:
    cluster, topic, seeded = RealCluster(kafka), fresh_name(), random.Random(7)
    cluster.make_topic(topic, 7)
    keys = [seeded.randbytes(n % 41) for n in range(500)]
    found: dict[bytes, int] = {}
    writer = cluster.writer()
    for key in keys:

        def note(at: Position, key: bytes = key) -> None:
            found[key] = at.partition

        writer.send(Outgoing(topic, key, b""), note)
    writer.flush(30)
    cluster.close()

    assert found == {key: partition_of(key, 7) for key in keys}
