from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulated.live import EVERYTHING, Dataset, SimulatedLive
from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import SimulatedFilings, SimulatedHistory, SimulatedMacro
from producers.simulated.timeline import Timeline
from producers.source import Bars, Fact, Item, LiveSource, Source
from shared.clock import ManualClock
from shared.contracts.facts import CorporateAction, Filing, MacroVintage

HISTORY, LIVE = 12, 5
# The first session after history is 2025-06-26, so a half day and a holiday lie in the live part.
WORLD = SimulatedSettings(
    simulated_tickers=8, simulated_sessions=HISTORY, simulated_start=date(2025, 6, 10), simulated_speed=1e6
)


def never() -> bool:
    return False


def live(
    world: SimulatedSettings, resume_after: datetime | None = None, datasets: frozenset[Dataset] = EVERYTHING
) -> SimulatedLive:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    return SimulatedLive(world, clock, resume_after, datasets, wait=clock.advance)


def known_at(item: Item) -> datetime:
    """The latest instant at which something in the item became known."""
    match item:
        case Bars():
            latest = item.frame["known_at"].max()
            assert isinstance(latest, datetime)
            return latest
        case Fact(message=CorporateAction() as action):
            return action.known_at
        case Fact(message=MacroVintage() as vintage):
            return vintage.released_at
        case Fact(message=Filing() as filing):
            return filing.filed_at
    raise AssertionError(item)


def batches_until(source: SimulatedLive, end: datetime) -> list[Sequence[Item]]:
    """All batches with what is known by `end` (the first one that knows more is the last)."""
    found = []
    for batch in source.stream(never):
        found.append(batch)
        if any(known_at(item) > end for item in batch):
            break
    return found


def rows(items: Sequence[Item]) -> list[tuple[Any, ...]]:
    return [row for item in items if isinstance(item, Bars) for row in item.frame.rows()]


def facts(items: Sequence[Item]) -> list[bytes]:
    return [item.message.encode() for item in items if isinstance(item, Fact)]


def history(world: SimulatedSettings) -> list[Item]:
    sources: list[Source] = [SimulatedHistory(world), SimulatedMacro(world), SimulatedFilings(world)]
    return [item for source in sources for unit in source.units() for item in source.read(unit)]


@pytest.fixture(scope="module")
def end() -> datetime:
    return Timeline(WORLD.simulated_start, HISTORY + LIVE).history_end


@pytest.fixture(scope="module")
def told(end: datetime) -> list[Sequence[Item]]:
    return batches_until(live(WORLD), end)


@pytest.mark.parametrize("extended", [False, True])
def test_live_goes_on_exactly_where_history_ends(end: datetime, extended: bool) -> None:
    world = WORLD.model_copy(update={"simulated_extended": extended})
    longer = history(world.model_copy(update={"simulated_sessions": HISTORY + LIVE}))
    known = [i for batch in batches_until(live(world), end) for i in batch]
    fresh = [i for i in known if isinstance(i, Bars) or known_at(i) <= end]
    until = [row for row in rows(fresh) if row[1] < end]
    assert sorted(rows(history(world)) + until) == sorted(rows(longer))
    assert sorted(facts(history(world)) + facts(fresh)) == sorted(facts(longer))
    assert any(rows([i]) for i in fresh)
    assert facts(fresh)


def test_live_covers_a_half_day_and_skips_the_holiday(told: list[Sequence[Item]]) -> None:
    stamps = pl.concat([i.frame for batch in told for i in batch if isinstance(i, Bars)])["timestamp"]
    by_day = stamps.unique().dt.convert_time_zone("America/New_York").dt.date().value_counts().sort("timestamp")
    assert dict(by_day.rows())[date(2025, 7, 3)] == 210
    assert date(2025, 7, 4) not in by_day["timestamp"].to_list()
    assert date(2025, 6, 26) not in by_day["timestamp"].to_list() or by_day.height >= LIVE


def test_live_tells_a_minute_a_batch_in_order_of_knowledge(told: list[Sequence[Item]]) -> None:
    latest = datetime(2000, 1, 1, tzinfo=UTC)
    for batch in told:
        items = [(known_at(item), item) for item in batch]
        bars = [i for _, i in items if isinstance(i, Bars)]
        assert all(item.frame["ticker"].n_unique() == 1 for item in bars)
        assert all(item.frame["timestamp"].dt.truncate("1w").n_unique() == 1 for item in bars)
        if items:
            assert min(at for at, _ in items) > latest
            latest = max(at for at, _ in items)
    sizes = [sum(i.frame.height for i in batch if isinstance(i, Bars)) for batch in told]
    assert max(sizes) <= 8 + 8


def test_live_sends_corrections_minutes_after_the_bar(told: list[Sequence[Item]]) -> None:
    place: dict[tuple[str, datetime], int] = {}
    later = []
    for number, batch in enumerate(told):
        for row in rows(batch):
            key = (row[0], row[1])
            if key in place:
                later.append(number - place[key])
            place[key] = number
    assert len(later) > 10
    assert all(1 <= steps <= 46 for steps in later)


@settings(max_examples=6, deadline=None)
@given(st.floats(0, 1))
def test_live_resumes_after_what_was_delivered_without_loss_or_repetition(
    told: list[Sequence[Item]], end: datetime, share: float
) -> None:
    delivered = [item for batch in told[: 3 + int(share * (len(told) - 4))] for item in batch]
    resumed = batches_until(live(WORLD, max(known_at(item) for item in delivered)), end)
    again = delivered + [item for batch in resumed for item in batch]
    everything = [item for batch in told for item in batch]
    assert sorted(rows(again)) == sorted(rows(everything))
    assert sorted(facts(again)) == sorted(facts(everything))


@settings(max_examples=6, deadline=None)
@given(st.floats(0, 1))
def test_live_resumed_at_the_start_of_the_last_bar_loses_nothing(
    told: list[Sequence[Item]], end: datetime, share: float
) -> None:
    delivered = [item for batch in told[: 3 + int(share * (len(told) - 4))] for item in batch]
    newest = max((row[1] for row in rows(delivered)), default=None)
    resumed = [i for batch in batches_until(live(WORLD, newest), end) for i in batch]
    everything = [item for batch in told for item in batch]
    assert set(rows(delivered)) | set(rows(resumed)) == set(rows(everything))
    assert set(facts(delivered)) | set(facts(resumed)) == set(facts(everything))


def test_live_before_the_end_of_history_begins_at_its_end(told: list[Sequence[Item]]) -> None:
    first = next(iter(live(WORLD, datetime(2025, 1, 1, tzinfo=UTC)).stream(never)))
    assert facts(first) == facts(told[0])


@pytest.mark.parametrize(
    ("dataset", "kind"), [("actions", CorporateAction), ("macro", MacroVintage), ("filings", Filing)]
)
def test_live_tells_only_the_datasets_asked_for(dataset: Dataset, kind: type) -> None:
    world = WORLD.model_copy(update={"simulated_sessions": 20})
    found = [i for batch in islice(live(world, None, frozenset({dataset})).stream(never), 391 * 40) for i in batch]
    assert found
    assert all(isinstance(i, Fact) and isinstance(i.message, kind) for i in found)


class Pace:
    """Clock and stop flag of one run of the stream; remembers when each batch came."""

    def __init__(self, stop_after: float) -> None:
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self._stop_after = stop_after

    def stopping(self) -> bool:
        return self.clock.monotonic() > self._stop_after

    def follow(self, stream: Iterator[Sequence[Item]]) -> list[tuple[float, int]]:
        return [(self.clock.monotonic(), sum(isinstance(i, Bars) for i in batch)) for batch in stream]


def paced(pace: Pace, speed: float, wait: Callable[[float], None] | None = None) -> list[tuple[float, int]]:
    world = WORLD.model_copy(update={"simulated_speed": speed, "simulated_pause_seconds": 2.0})
    source: LiveSource = SimulatedLive(world, pace.clock, wait=wait or pace.clock.advance)
    return pace.follow(source.stream(pace.stopping))


def test_live_keeps_the_pace_and_wakes_the_loop_every_second() -> None:
    seen = paced(Pace(stop_after=100.0), speed=30.0)
    moments = [at for at, _ in seen]
    with_bars = [at for at, bars in seen if bars]
    assert all(b - a <= 1.0 for a, b in pairwise(moments))
    assert with_bars[0] == pytest.approx(2.0 + 2.0)
    assert all(b - a == pytest.approx(2.0) for a, b in pairwise(with_bars))
    assert moments[-1] <= 100.5


def test_live_after_a_standstill_does_not_hurry() -> None:
    pace = Pace(stop_after=700.0)
    still = [True]

    def wait(seconds: float) -> None:
        pace.clock.advance(600.0 if still and pace.clock.monotonic() > 20.0 and still.pop() else seconds)

    after = [at for at, bars in paced(pace, 60.0, wait) if bars and at > 600.0]
    assert len(after) <= 700.0 - after[0] + 3


def test_live_stops_and_goes_on_where_it_was() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    source = SimulatedLive(WORLD, clock, wait=clock.advance)
    calls = iter([False] * 100)
    first = list(source.stream(lambda: next(calls, True)))
    second = list(islice(source.stream(never), 50))
    straight = list(islice(live(WORLD).stream(never), len(first) + 50))
    assert [rows(b) for b in straight] == [rows(b) for b in [*first, *second]]
    assert first[-1]
    assert timedelta(0) < known_at(second[0][0]) - known_at(first[-1][0]) < timedelta(minutes=2)
