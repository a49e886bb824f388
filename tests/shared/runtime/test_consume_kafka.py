"""The consume loop on a real broker: rebalances, thrown-out members, restarts, and as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from infra.embedded.kafka import KafkaServer
from shared.contracts.topics import DEAD_LETTERS
from shared.errors import TransientError
from shared.kafka.consumer import KafkaReader, ReaderOptions
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing
from shared.runtime.loops import CommitPolicy
from shared.testing.eventually import eventually
from tests.shared.kafka.clusters import RealCluster, fresh_name
from tests.shared.runtime.parts import EAGER, Member, Sink

pytestmark = pytest.mark.kafka
PATIENT = replace(EAGER, max_rows=1000)


class Place:
    """A topic and a group of one test."""

    def __init__(self, bootstrap: str, tmp_path: Path) -> None:
        self.cluster = RealCluster(bootstrap)
        self.bootstrap = bootstrap
        self.folder = tmp_path
        self.folder.mkdir(exist_ok=True)
        self.topic, self.group = fresh_name(), fresh_name("g")
        self.cluster.make_topic(self.topic, 3)
        self.cluster.admin.provision([DEAD_LETTERS])

    def fill(self, values: range) -> None:
        with KafkaWriter(self.cluster.settings, "tests") as writer:
            for value in values:
                writer.send(Outgoing(self.topic, f"K{value}".encode(), str(value).encode()))
            writer.flush(30)

    @contextmanager
    def member(self, policy: CommitPolicy = EAGER) -> Iterator[Member]:
        with ExitStack() as stack:
            options = ReaderOptions(batch_records=20)
            settings = self.cluster.settings
            reader = stack.enter_context(KafkaReader(settings, self.group, [self.topic], "tests", options))
            writer = stack.enter_context(KafkaWriter(settings, "tests"))
            beat = self.folder / f"{fresh_name()}.json"
            yield Member(reader, writer, Sink(), policy, heartbeat=beat)

    def all_committed(self) -> bool:
        ends = {(self.topic, p): end for p, end in self.cluster.admin.end_offsets(self.topic).items() if end}
        return self.cluster.admin.committed(self.group, [self.topic]) == ends

    @contextmanager
    def collector(self, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """The collector as a process; its heartbeat lies beside its effects."""
        (self.folder / "out").mkdir(exist_ok=True)
        arguments = [self.topic, self.group, str(self.folder / "out")]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.shared.runtime.collector", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap, "KAFKA_SESSION_SECONDS": "6", **environment},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    @property
    def effects(self) -> dict[int, int]:
        """How often each value's effect was made."""
        return {int(file.name): len(file.read_text().splitlines()) for file in (self.folder / "out").iterdir()}


@pytest.fixture
def place(kafka: str, tmp_path: Path) -> Iterator[Place]:
    made = Place(kafka, tmp_path)
    yield made
    made.cluster.close()


def test_effect_that_fails_is_made_by_the_next_process(place: Place) -> None:
    place.fill(range(30))
    with place.member() as first:
        first.loop.run(count=10)
        first.sink.flush_fault = ZeroDivisionError()
        with pytest.raises(ZeroDivisionError):
            first.loop.run(count=20)
    with place.member() as second:
        second.loop.run(count=20)

    assert sorted(first.sink.values + second.sink.values) == list(range(30))
    assert place.all_committed()


def test_two_members_share_the_work_and_do_each_record_once(place: Place) -> None:
    place.fill(range(100))
    with place.member(PATIENT) as first, place.member(PATIENT) as second, first.running():
        eventually(lambda: first.sink.pending_rows == 100)
        with second.running():
            eventually(lambda: second.reader.positions)
            place.fill(range(100, 300))
            eventually(lambda: first.sink.pending_rows + second.sink.pending_rows == 200)

    assert second.sink.values
    assert sorted(first.sink.values + second.sink.values) == list(range(300))
    assert place.all_committed()


def test_store_that_is_down_pauses_the_member_and_it_goes_on(place: Place) -> None:
    place.fill(range(100))
    with place.member() as member:
        member.sink.flush_fault = TransientError("the store is down")
        with member.running():
            eventually(lambda: member.beat.get("counters", {}).get("retries", 0) > 3)
            assert (member.beat["state"], member.beat["detail"]) == ("paused", "the store is down")
            assert member.sink.pending_rows == 10
            assert not place.cluster.admin.committed(place.group, [place.topic])
            member.sink.flush_fault = None
            eventually(lambda: len(member.sink.durable) == 100)

    assert member.sink.values == list(range(100))
    assert place.all_committed()


def test_quiet_topic_is_committed_after_the_policys_seconds(place: Place) -> None:
    with place.member(replace(PATIENT, max_seconds=0.3)) as member, member.running():
        eventually(lambda: member.reader.positions)
        place.fill(range(5))
        eventually(place.all_committed)
        assert member.sink.values == list(range(5))


def test_broker_killed_and_restarted_costs_no_record(own_kafka: KafkaServer, tmp_path: Path) -> None:
    place = Place(own_kafka.bootstrap_servers, tmp_path)
    place.fill(range(100))
    with place.member() as member, member.running():
        eventually(lambda: len(member.sink.durable) >= 50)
        own_kafka.kill()
        own_kafka.start()
        own_kafka.wait_healthy()
        place.fill(range(100, 150))
        eventually(lambda: {*member.sink.values} == set(range(150)), seconds=60)
        eventually(place.all_committed, seconds=60)
    place.cluster.close()


def test_process_stopped_past_its_session_neither_loses_nor_overwrites(place: Place) -> None:
    place.fill(range(500))
    beats = place.folder / "beat.json"
    stop = {"TICKERSTREAM_FAILPOINTS": "collector.before_commit=stop@3", "HEARTBEAT_FILE": str(beats)}
    with place.collector(**stop) as sleeper:
        eventually(lambda: os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT))
        with place.collector() as other:
            eventually(lambda: len(place.effects) == 500 and place.all_committed(), seconds=40)
            committed = place.cluster.admin.committed(place.group, [place.topic])
            sleeper.send_signal(signal.SIGCONT)
            eventually(lambda: json.loads(beats.read_text())["state"] == "running")
            place.fill(range(500, 600))
            eventually(lambda: len(place.effects) == 600 and place.all_committed(), seconds=40)
            later = place.cluster.admin.committed(place.group, [place.topic])
            for process in (sleeper, other):
                process.terminate()
                assert process.wait(30) == 0

    effects = place.effects
    assert all(later[tp] >= offset for tp, offset in committed.items())
    assert sorted(effects) == list(range(600))
    # At most the batch whose commit did not count, which the other made again.
    assert sum(effects.values()) <= 600 + 50


def test_process_killed_around_its_commit_loses_nothing(kafka: str, tmp_path: Path) -> None:
    points = ("before_flush", "before_commit", "after_commit")
    places = {point: Place(kafka, tmp_path / point) for point in points}
    uncommitted = {}
    with ExitStack() as stack:
        for point, place in places.items():
            place.fill(range(200))
            kill = {"TICKERSTREAM_FAILPOINTS": f"collector.{point}=kill@2"}
            first = stack.enter_context(place.collector(**kill))
            assert first.wait(90) == -signal.SIGKILL
            committed = place.cluster.admin.committed(place.group, [place.topic])
            uncommitted[point] = sum(place.effects.values()) - sum(committed.values())
        seconds = [stack.enter_context(place.collector()) for place in places.values()]
        eventually(lambda: all(len(p.effects) == 200 and p.all_committed() for p in places.values()), seconds=40)
        for second in seconds:
            second.terminate()
            assert second.wait(30) == 0

    made_again = {point: sum(place.effects.values()) - 200 for point, place in places.items()}
    assert made_again == uncommitted  # what was flushed and not committed, and no more
    assert (made_again["before_flush"], made_again["after_commit"]) == (0, 0)
    assert 1 <= made_again["before_commit"] <= 50  # a batch
    for place in places.values():
        place.cluster.close()


def test_process_with_a_topic_that_is_missing_ends_with_one_line_and_2(place: Place) -> None:
    place.topic = "none-such"
    with place.collector() as process:
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == 2
    assert stderr.startswith("error: topic none-such does not exist")
    assert len(stderr.splitlines()) == 1
