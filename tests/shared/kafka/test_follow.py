"""Following a topic as it grows: in order, several records at once, until told to stop."""

import threading
from uuid import uuid4

import pytest

from shared.contracts.topics import START_MODEL
from shared.kafka.admin import KafkaAdmin
from shared.kafka.follow import follow_batches, follow_topic
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing
from shared.settings import KafkaSettings

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("most", [1, 3, 500])
def test_followed_records_come_in_order_in_batches_of_bounded_size(kafka: str, most: int) -> None:
    settings, topic = KafkaSettings.load(kafka_bootstrap_servers=kafka), f"follow-{uuid4().hex[:8]}"
    KafkaAdmin(settings).provision([type(START_MODEL)(topic, "key", "value", "x/1.0", "tests", "tests", sharded=False)])
    stop, batches = threading.Event(), []
    with KafkaWriter(settings, "tests") as writer:

        def send(numbers: range) -> None:
            for number in numbers:
                writer.send(Outgoing(topic, b"k", str(number).encode()))
            writer.flush(20)

        send(range(10))
        for batch in follow_batches(settings, topic, {0: 2}, stop.is_set, most):
            batches.append([int(record.value or b"") for record in batch])
            seen = [number for part in batches for number in part]
            if len(seen) == 8 and 10 not in seen:
                send(range(10, 20))
            if len(seen) == 18:
                stop.set()

    assert [number for part in batches for number in part] == list(range(2, 20))
    assert max(map(len, batches)) <= most


def test_following_yields_nothing_while_there_is_nothing(kafka: str) -> None:
    settings, topic = KafkaSettings.load(kafka_bootstrap_servers=kafka), f"follow-{uuid4().hex[:8]}"
    KafkaAdmin(settings).provision([type(START_MODEL)(topic, "key", "value", "x/1.0", "tests", "tests", sharded=False)])
    assert next(follow_topic(settings, topic, {0: 0}, lambda: False)) is None
    assert next(follow_batches(settings, topic, {0: 0}, lambda: False)) == []
