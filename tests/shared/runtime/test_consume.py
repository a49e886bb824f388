"""The consume loop on the in-memory broker: what is committed, when, and what never is."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from shared.clock import ManualClock, SystemClock
from shared.contracts.dead_letters import TOPIC as DEAD
from shared.errors import ContractError, TransientError
from shared.kafka.partitioner import partition_of
from shared.ports import Outgoing
from shared.runtime import failpoints
from shared.runtime.loops import CommitPolicy
from shared.testing.eventually import eventually
from shared.testing.memory_kafka import MemoryBroker, MemoryReader, MemoryWriter
from tests.shared.runtime.parts import EAGER, Member, Sink, ends, fill, letters

TOPIC = "numbers"
GROUP = "sink"
DOWN = TransientError("the store is down")


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker({TOPIC: 3, DEAD: 1}, SystemClock())


@pytest.fixture
def join(broker: MemoryBroker, tmp_path: Path) -> Callable[..., Member]:
    def make(policy: CommitPolicy = EAGER, sink: Sink | None = None, **more: object) -> Member:
        reader = MemoryReader(broker, GROUP, [TOPIC])
        clock = more.get("clock")
        assert clock is None or isinstance(clock, ManualClock)
        beat = tmp_path / f"{uuid4().hex}.json"
        return Member(reader, MemoryWriter(broker), sink or Sink(), policy, clock=clock, heartbeat=beat)

    return make


Join = Callable[..., Member]


def test_run_of_count_handles_and_commits_exactly_it(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(25))
    member = join()

    assert member.loop.run(count=25) == 25
    assert member.sink.values == list(range(25))
    assert broker.committed(GROUP) == ends(broker, TOPIC)


def test_run_twice_goes_on_where_it_ended(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(25))
    member = join()
    member.loop.run(count=7)
    committed = sum(broker.committed(GROUP).values())
    member.loop.run(count=18)

    assert committed == 7
    assert member.sink.values == list(range(25))


def test_run_of_timeout_ends_in_a_quiet_topic(join: Join) -> None:
    assert join().loop.run(timeout=0.05) == 0


def test_pending_rows_never_exceed_the_policy(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(95))
    member = join(replace(EAGER, max_rows=10))
    member.loop.run(count=95)

    assert member.sink.flushes == [10] * 9 + [5]


def test_failing_flush_commits_nothing_and_all_is_read_again(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(5))
    first = join()
    first.sink.flush_fault = RuntimeError("disk on fire")
    with pytest.raises(RuntimeError, match="disk on fire"):
        first.loop.run(count=5)
    first.sink.flush_fault = None
    first.reader.close()
    assert broker.committed(GROUP) == {}
    second = join()
    second.loop.run(count=5)

    assert first.sink.values == []
    assert second.sink.values == list(range(5))


def test_failing_handler_does_not_commit_what_came_before(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(5))
    member = join()
    member.loop.run(count=2)
    before = broker.committed(GROUP)
    member.sink.handle_fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        member.loop.run(count=3)
    member.reader.close()

    assert broker.committed(GROUP) == before


@pytest.mark.parametrize(("point", "durable"), [("before_flush", 0), ("before_commit", 5), ("after_commit", 5)])
def test_failure_at_each_failpoint_loses_nothing(broker: MemoryBroker, join: Join, point: str, durable: int) -> None:
    fill(broker, TOPIC, range(5))
    first = join()
    failpoints.configure(f"tests.sink.{point}=raise")
    try:
        with pytest.raises(RuntimeError, match=f"failpoint tests.sink.{point}"):
            first.loop.run(count=5)
    finally:
        failpoints.configure("")
    first.reader.close()
    second = join()
    if point == "after_commit":
        second.loop.run(timeout=0.1)
    else:
        second.loop.run(count=5)

    assert len(first.sink.values) == durable
    assert sorted({*first.sink.values, *second.sink.values}) == list(range(5))
    assert (broker.committed(GROUP) != {}) is True
    assert bool(second.sink.values) == (point != "after_commit")


def test_poison_goes_to_the_dead_letters_and_the_stream_goes_on(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, ["1", "junk", "2"])
    member = join()
    member.loop.run(count=3)

    (letter,) = letters(broker)
    assert member.sink.values == [1, 2]
    assert (letter.topic, letter.value, letter.error_class, letter.service) == (
        TOPIC,
        b"junk",
        "bad_number",
        "tests.sink",
    )
    assert broker.committed(GROUP) == ends(broker, TOPIC)
    assert member.beat["counters"] == {
        "records": 3,
        "rows": 2,
        "rejects": 1,
        "dead_letters": 1,
        "commits": 1,
        "retries": 0,
    }


def test_refused_rows_of_a_record_go_to_the_dead_letters(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, ["rows:3"])
    member = join()
    member.loop.run(count=1)

    (letter,) = letters(broker)
    assert (letter.rows, letter.value, letter.reason, letter.error_class) == (
        3,
        b"those rows",
        "they are bad",
        "bad_row",
    )


def test_dead_letter_that_is_not_durable_is_not_committed_past(broker: MemoryBroker, tmp_path: Path) -> None:
    fill(broker, TOPIC, ["junk"])
    elsewhere = MemoryBroker({DEAD: 1}, SystemClock())
    elsewhere.available = False
    reader = MemoryReader(broker, GROUP, [TOPIC])
    policy = replace(EAGER, max_seconds=0)
    member = Member(reader, MemoryWriter(elsewhere), Sink(), policy, heartbeat=tmp_path / "beat.json")
    with member.running():
        eventually(lambda: member.beat.get("state") == "paused")
        assert broker.committed(GROUP) == {}
        elsewhere.available = True
        eventually(lambda: broker.committed(GROUP))

    assert len(letters(elsewhere)) == 1


def test_record_on_the_wrong_partition_is_a_dead_letter(broker: MemoryBroker, join: Join) -> None:
    right = partition_of(b"AAPL", 3)
    broker.append(Outgoing(TOPIC, b"AAPL", b"1"), (right + 1) % 3)
    broker.append(Outgoing(TOPIC, b"AAPL", b"2"))
    broker.append(Outgoing(TOPIC, None, b"3"), (right + 1) % 3)
    member = join()
    member.loop.run(count=3)

    assert member.sink.values == [2, 3]
    assert [(one.error_class, one.value) for one in letters(broker)] == [("wrong_partition", b"1")]


def test_newer_major_schema_stops_and_commits_nothing(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(3), {"schema": b"bars/2.0"})
    member = join()

    with pytest.raises(ContractError, match=r"has schema bars/2.0, newer than bars/1 .* Upgrade"):
        member.loop.run(count=3)
    assert broker.committed(GROUP) == {}
    assert member.sink.values == []


@pytest.mark.parametrize("schema", [b"bars/1.0", b"bars/1.7", b"filing/1.0"])
def test_known_major_schema_is_handled(broker: MemoryBroker, join: Join, schema: bytes) -> None:
    fill(broker, TOPIC, range(3), {"schema": schema})
    member = join()
    member.loop.run(count=3)

    assert member.sink.values == [0, 1, 2]


@pytest.mark.parametrize("schema", [b"bars/0.9", b"nonsense", b"other/1.0", b"bars/x", b"\xff\xfe", b""])
def test_schema_that_is_not_known_is_a_dead_letter(broker: MemoryBroker, join: Join, schema: bytes) -> None:
    fill(broker, TOPIC, range(1), {"schema": schema})
    member = join()
    member.loop.run(count=1)

    assert [one.error_class for one in letters(broker)] == ["wrong_schema"]


def test_quiet_topic_is_committed_when_the_first_record_is_old_enough(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(3))
    clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    member = join(replace(EAGER, max_seconds=60), clock=clock)
    with member.running():
        eventually(lambda: member.sink.pending_rows == 3)
        clock.advance(59)
        assert broker.committed(GROUP) == {}
        clock.advance(2)
        eventually(lambda: broker.committed(GROUP) == ends(broker, TOPIC))

    assert member.sink.flushes == [3]


def test_quiet_topic_is_committed_at_once_where_the_handler_says_so(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(3))
    clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    member = join(replace(EAGER, idle_seconds=0), Sink(flush_when_idle=True), clock=clock)
    with member.running():
        eventually(lambda: broker.committed(GROUP) == ends(broker, TOPIC))


def test_store_that_is_down_pauses_says_so_and_goes_on(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(30))
    member = join()
    member.sink.flush_fault = DOWN
    with member.running():
        eventually(lambda: member.beat.get("state") == "paused" and member.beat["counters"]["retries"] > 3)
        assert member.beat["detail"] == "the store is down"
        assert member.sink.pending_rows == 10  # bounded: nothing is read meanwhile
        assert broker.committed(GROUP) == {}
        member.sink.flush_fault = None
        eventually(lambda: member.beat["state"] == "running" and broker.committed(GROUP) == ends(broker, TOPIC))

    assert member.sink.values == list(range(30))


def test_record_whose_handling_must_wait_is_handled_once(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(30))
    member = join()
    member.sink.handle_fault = DOWN
    with member.running():
        eventually(lambda: member.beat.get("state") == "paused")
        member.sink.handle_fault = None
        eventually(lambda: broker.committed(GROUP) == ends(broker, TOPIC))

    assert member.sink.values == list(range(30))


def test_broker_that_does_not_take_the_commit_is_asked_again(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(30))
    broker.available = False
    member = join()
    with member.running():
        eventually(lambda: member.beat.get("state") == "paused")
        broker.available = True
        eventually(lambda: broker.committed(GROUP) == ends(broker, TOPIC))

    assert member.sink.values == list(range(30))


def test_stop_commits_what_is_handled(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(3))
    member = join()
    with member.running():
        eventually(lambda: member.sink.pending_rows == 3)

    assert broker.committed(GROUP) == ends(broker, TOPIC)
    assert member.sink.values == [0, 1, 2]


def test_stop_while_the_store_is_down_ends_without_commit(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(30))
    member = join()
    member.sink.flush_fault = DOWN
    with member.running():
        eventually(lambda: member.beat.get("state") == "paused")
    member.sink.flush_fault = None
    member.reader.close()

    assert broker.committed(GROUP) == {}


def test_too_many_rejects_pause_until_stopped(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, [f"junk{n}" for n in range(2000)])
    member = join(replace(EAGER, reject_window=1000, max_seconds=0))
    with member.running():
        eventually(lambda: member.beat.get("state") == "paused")
        assert member.beat["detail"].startswith("100% of the last 1,000 records were refused (limit 50%)")
        assert "tickerstream dlq list" in member.beat["detail"]
        done = sum(broker.committed(GROUP).values())

    assert done == len(letters(broker)) == sum(broker.committed(GROUP).values())
    assert 1000 <= done < 2000


def test_rejects_below_the_share_do_not_pause(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, [str(n) if n % 5 < 3 else f"junk{n}" for n in range(2000)])
    member = join(replace(EAGER, reject_window=100))
    member.loop.run(count=2000)

    assert len(letters(broker)) == 800


def test_partitions_go_only_after_their_records_are_committed(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(9))
    first, second = join(replace(EAGER, max_rows=1000)), join(replace(EAGER, max_rows=1000))
    with first.running():
        eventually(lambda: first.sink.pending_rows == 9)
        with second.running():
            eventually(lambda: second.reader.positions and len(first.reader.positions) < 3)
            assert first.sink.flushes == [9]
            fill(broker, TOPIC, range(9, 40))
            eventually(lambda: first.sink.pending_rows + second.sink.pending_rows == 31)

    assert sorted(first.sink.values + second.sink.values) == list(range(40))
    assert broker.committed(GROUP) == ends(broker, TOPIC)


def test_records_that_come_with_the_revocation_of_others_are_kept(broker: MemoryBroker, join: Join) -> None:
    first, second = join(), join()
    first.loop.run(timeout=0.02)
    with second.running():
        fill(broker, TOPIC, range(60))  # the next poll of the first lets partitions go and returns records of the rest

        def all_read() -> bool:
            first.loop.run(timeout=0.05)
            return len(first.sink.durable) + len(second.sink.buffered) + len(second.sink.durable) == 60

        eventually(all_read)
    first.loop.run(timeout=0.02)

    assert sorted(first.sink.values + second.sink.values) == list(range(60))


def test_run_after_one_that_ran_out_of_time_in_a_record_reads_it_again(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(30))
    member = join()
    member.sink.handle_fault = DOWN
    member.loop.run(timeout=0.05)
    member.sink.handle_fault = None
    member.loop.run(count=30)

    assert member.sink.values == list(range(30))


def test_partitions_go_uncommitted_when_the_store_stays_down(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(9))
    first, second = join(replace(EAGER, max_rows=1000)), join(replace(EAGER, max_rows=1000))
    with first.running():
        eventually(lambda: first.sink.pending_rows == 9)
        first.sink.flush_fault = DOWN
        with second.running():
            eventually(lambda: second.reader.positions and len(first.reader.positions) < 3)
            first.sink.flush_fault = None
            eventually(lambda: first.sink.pending_rows + second.sink.pending_rows == 9)

    assert sorted(first.sink.values + second.sink.values) == list(range(9))
    assert first.sink.values
    assert second.sink.values
    assert broker.committed(GROUP) == ends(broker, TOPIC)


def test_lost_partitions_are_dropped_and_read_again(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(9))
    member = join(replace(EAGER, max_rows=1000))
    with member.running():
        eventually(lambda: member.sink.pending_rows == 9)
        assert isinstance(member.reader, MemoryReader)
        member.reader.expire()
        eventually(lambda: member.beat.get("counters", {}).get("records") == 18)
        assert member.sink.pending_rows == 9

    assert member.sink.values == list(range(9))


def test_member_that_lost_its_partitions_while_paused_does_not_commit_them(broker: MemoryBroker, join: Join) -> None:
    fill(broker, TOPIC, range(30))
    slow, other = join(replace(EAGER, max_seconds=0.05)), join(replace(EAGER, max_seconds=0.05))
    slow.sink.flush_fault = DOWN
    with slow.running():
        eventually(lambda: slow.beat.get("state") == "paused")
        assert isinstance(slow.reader, MemoryReader)
        slow.reader.expire()
        with other.running():
            slow.sink.flush_fault = None
            eventually(lambda: broker.committed(GROUP) == ends(broker, TOPIC))

    assert {*slow.sink.values, *other.sink.values} == set(range(30))
