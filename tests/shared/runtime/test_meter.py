"""What a consume loop tells Prometheus, on a real broker."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import TransientError
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing
from shared.testing.eventually import eventually
from tests.shared.metrics.reading import Change, value
from tests.shared.runtime.parts import EAGER
from tests.shared.runtime.test_consume_kafka import Place

pytestmark = pytest.mark.kafka


def test_loop_tells_what_it_took_refused_committed_and_waited_for(kafka: str, tmp_path: Path) -> None:
    place, change = Place(kafka, tmp_path), Change()
    place.fill(range(50))
    with KafkaWriter(place.cluster.settings, "tests") as writer:
        for number in range(3):
            writer.send(Outgoing(place.topic, f"B{number}".encode(), b"bad"))
        writer.send(Outgoing(place.topic, b"R", b"rows:2"))
        writer.flush(30)

    def records() -> float:
        return change.of("consumed_records_total", topic=place.topic)

    with place.member(replace(EAGER, max_seconds=0.2)) as member:
        member.sink.flush_fault = TransientError("the store does not answer")
        with member.running():
            eventually(lambda: change.of("consume_pauses_total") >= 2 and change.of("consume_paused_seconds_total") > 0)
            assert value("consume_uncommitted_seconds") > 0
            assert change.of("consume_commit_seconds_count", step="commit") == 0
            member.sink.flush_fault = None
            eventually(lambda: records() == 54 and place.all_committed())
    assert change.of("consumed_rows_total", topic=place.topic) == 51, "50 values, and one row beside two bad ones"
    assert change.of("dead_letters_total", reason="bad_number") == 3
    assert change.of("dead_letters_total", reason="bad_row") == 1
    assert change.of("errors_total", kind="PoisonMessageError") == 3
    assert change.of("errors_total", kind="TransientError") == change.of("consume_pauses_total")
    assert change.of("consume_batch_records_sum") == 54
    commits = change.of("consume_batch_records_count")
    assert 1 <= commits <= 54
    assert {change.of("consume_commit_seconds_count", step=step) for step in ("deliver", "commit")} == {commits}
    assert change.of("consume_handle_seconds_count") >= 1
    assert change.of("consume_poll_records_sum") == 54
    place.cluster.close()
