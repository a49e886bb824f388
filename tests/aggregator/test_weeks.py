"""The weeks in memory: what is kept, what is let go, and what is remembered of it."""

from datetime import timedelta

import polars as pl

from aggregator.weeks import MIB, PackedWeeks
from shared.contracts.lake import STOCK
from shared.contracts.versions import union_versions
from shared.contracts.weeks import IsoWeek
from tests.aggregator.parts import MONDAY, bars

WEEKS = [IsoWeek.of(MONDAY + timedelta(weeks=n)) for n in range(4)]


def versions(ticker: str, minutes: int = 390) -> pl.DataFrame:
    frame = bars(ticker, minutes=minutes, days=5)
    return union_versions(STOCK, frame.with_columns(ingested_at=pl.col("known_at")))


def test_kept_weeks_come_back_as_they_were() -> None:
    weeks, frame = PackedWeeks(1), versions("A", 20)
    weeks.put("A", WEEKS[0], frame)
    found = weeks.get("A", WEEKS[0])
    assert found is not None
    assert found.equals(frame)
    assert weeks.get("A", WEEKS[1]) is None
    assert weeks.get("B", WEEKS[0]) is None


def test_weeks_that_are_not_needed_go_and_are_remembered() -> None:
    weeks, frame = PackedWeeks(1), versions("A", 20)
    for week in WEEKS:
        weeks.put("A", week, frame, handled=week != WEEKS[1])
    weeks.trim("A", WEEKS[2:])
    assert [weeks.get("A", week) is not None for week in WEEKS] == [False, False, True, True]
    assert all(weeks.was_seen("A", week) for week in WEEKS)
    assert [weeks.was_handled("A", week) for week in WEEKS] == [True, False, True, True]
    assert not weeks.was_seen("B")
    weeks.note("B", WEEKS[0])
    assert weeks.was_seen("B")
    assert not weeks.was_handled("B", WEEKS[0])
    weeks.clear()
    assert not weeks.was_seen("A")
    assert weeks.size == 0


def test_memory_is_bounded_and_the_tickers_used_last_stay() -> None:
    weeks = PackedWeeks(1)
    names = [f"T{n}" for n in range(12)]
    for name in names:
        for week in WEEKS:
            weeks.put(name, week, versions(name))
        weeks.trim(name, WEEKS)
        assert weeks.size <= MIB or weeks.get(name, WEEKS[0]) is not None
    kept = [name for name in names if weeks.get(name, WEEKS[3]) is not None]
    assert weeks.size <= MIB
    assert 0 < len(kept) < len(names)
    assert kept == names[-len(kept) :]
    assert weeks.was_seen(names[0], WEEKS[0])
