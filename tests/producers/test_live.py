"""The live loop: what becomes known goes out, is confirmed, and is marked only then."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from producers.cursor import Place
from producers.delivery import Delivery
from producers.live import LiveLoop, LiveMark
from producers.publishing import Publisher, Route, Stamp
from producers.source import Bars, Item, Reached, Refused
from shared.clock import ManualClock
from shared.contracts.topics import BARS_LIVE, DEAD_LETTERS, MACRO, TOPICS
from shared.errors import TransientError
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping
from shared.settings import RuntimeSettings
from shared.testing.memory_broker import MemoryBroker
from shared.testing.memory_kafka import MemoryWriter
from tests.producers.parts import MONDAY, Remembered, bars

PLACE = Place("cluster", {BARS_LIVE.name: "id"})


@dataclass
class ListedLive:
    """A live source that tells batches, a second apart; an exception among them is raised."""

    batches: Sequence[Sequence[Item] | Exception]
    clock: ManualClock
    name: str = "test"
    simulated: bool = False

    def stream(self, stopping: Callable[[], bool]) -> Iterator[Sequence[Item]]:
        for batch in self.batches:
            if stopping():
                return
            if isinstance(batch, Exception):
                raise batch
            yield batch
            self.clock.advance(1.0)


@dataclass
class Bench:
    """A live producer on a broker in memory."""

    home: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(MONDAY))
    stopping: Stopping = field(default_factory=Stopping)
    broker: MemoryBroker = field(init=False)
    patience: float = 10.0

    def __post_init__(self) -> None:
        self.broker = MemoryBroker({t.name: 1 for t in TOPICS}, self.clock)

    @property
    def mark(self) -> LiveMark:
        return LiveMark(self.home / "live.json", {"seed": 7}, PLACE)

    def run(self, *batches: Sequence[Item] | Exception, told: bool = False) -> int:
        heartbeat = Heartbeat(self.home / "heartbeat.json", "producers.stock", self.clock)
        settings = RuntimeSettings(tickerstream_home=self.home)
        runtime = Runtime("producers.stock", settings, self.clock, self.stopping, heartbeat)
        delivery = Delivery(MemoryWriter(self.broker), runtime, self.patience)
        stamp = Stamp(runtime.name, "test", False, None)
        publisher = Publisher(delivery.send, stamp, Route(BARS_LIVE, MACRO, BARS_LIVE.name), self.clock)
        loop = LiveLoop(runtime, publisher, delivery, self.mark, Remembered(), told=told)
        return loop.run(ListedLive(batches, self.clock))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_live_bars_go_out_without_a_run_and_are_marked(bench: Bench) -> None:
    assert bench.run([Bars(bars("AAA", 1))], [], [Bars(bars("AAA", 2))]) == 0
    records = bench.broker.records(BARS_LIVE.name)
    assert [r.headers["rows"] for r in records] == [b"1", b"2"]
    assert all("run" not in r.headers for r in records)
    assert bench.mark.read() == MONDAY + timedelta(minutes=2)  # the close of the last bar
    assert '"state": "running"' in (bench.home / "heartbeat.json").read_text()


def test_live_source_that_tells_how_far_it_is_is_believed(bench: Bench) -> None:
    bench.run([Bars(bars("AAA", 5)), Reached(MONDAY)], told=True)
    assert bench.mark.read() == MONDAY


def test_live_refused_rows_are_dead_letters(bench: Bench) -> None:
    bench.run([Bars(bars("AAA", 1, volume=-1.0)), Refused("test", 0, b"?", 1, "no bar", "bad_record")])
    assert bench.broker.records(BARS_LIVE.name) == []
    reasons = [r.headers["reason"] for r in bench.broker.records(DEAD_LETTERS.name)]
    assert reasons == [b"volume is negative", b"no bar"]


def test_live_stop_flag_ends_the_loop(bench: Bench) -> None:
    bench.stopping.set()
    assert bench.run([Bars(bars("AAA", 1))]) == 0
    assert bench.broker.records(BARS_LIVE.name) == []


def test_live_lost_source_ends_the_process_with_what_was_confirmed_marked(bench: Bench) -> None:
    with pytest.raises(TransientError):
        bench.run([Bars(bars("AAA", 1))], [Bars(bars("AAA", 2))], TransientError("lost"))
    assert bench.mark.read() == MONDAY + timedelta(minutes=2)


def test_live_nothing_is_marked_before_it_is_confirmed(bench: Bench) -> None:
    bench.broker.available = False
    bench.patience = -1.0
    with pytest.raises(TransientError):
        bench.run([Bars(bars("AAA", 1))])
    assert bench.mark.read() is None


def test_live_mark_of_another_stream_or_of_gone_topics_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    LiveMark(path, {"seed": 7}, PLACE).write(MONDAY)
    assert LiveMark(path, {"seed": 7}, PLACE).read() == MONDAY
    assert LiveMark(path, {"seed": 8}, PLACE).read() is None
    assert LiveMark(path, {"seed": 7}, Place("other", PLACE.topic_ids)).read() is None
    path.write_text("{")
    assert LiveMark(path, {"seed": 7}, PLACE).read() is None


def test_live_mark_that_is_forgotten_says_nothing(tmp_path: Path) -> None:
    mark = LiveMark(tmp_path / "live.json", {}, PLACE)
    mark.write(MONDAY)
    for _ in range(2):
        mark.forget()
        assert mark.read() is None


def test_live_mark_keeps_the_instant_to_the_microsecond(tmp_path: Path) -> None:
    mark = LiveMark(tmp_path / "live.json", {}, PLACE)
    at: datetime = MONDAY + timedelta(microseconds=1)
    mark.write(at)
    assert mark.read() == at
