"""Higher bars are closed ones, and equal those made bar by bar."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from shared.features.arrays import BarArrays
from shared.features.feature import Timeframe
from shared.features.higher import START_UP, Higher
from tests.shared.features.test_sessions import XNYS, minute_of

MONDAY = minute_of(2025, 3, 10)
WEEK = 7 * 1440
SESSIONS = [
    (minute_of(*XNYS.session_open(day).timetuple()[:5]), minute_of(*XNYS.session_close(day).timetuple()[:5]))
    for day in XNYS.sessions_in_range("2025-02-24", "2025-03-21")
]
LENGTHS: dict[Timeframe, int] = {"5m": 5, "15m": 15, "60m": 60}


def bars_at(minutes: np.ndarray, seed: int = 0) -> BarArrays:
    rng = default_rng(seed)
    close = rng.uniform(90, 110, len(minutes))
    opens = rng.uniform(90, 110, len(minutes))
    nothing = np.full(len(minutes), np.nan)
    return BarArrays(
        minutes=minutes,
        open=opens,
        high=np.maximum(opens, close) + 1,
        low=np.minimum(opens, close) - 1,
        close=close,
        volume=rng.uniform(0, 1000, len(minutes)),
        trade_count=nothing,
        vwap=nothing,
        feed=np.zeros(len(minutes), np.int64),
    )


def sparse_minutes(seed: int, share: float, weeks: int = 2) -> np.ndarray:
    every = np.arange(MONDAY - (weeks - 1) * WEEK, MONDAY + WEEK)
    return every[default_rng(seed).random(len(every)) < share]


def span_of(minute: int, timeframe: Timeframe) -> tuple[int, int] | None:
    """The [start, end) of the higher bar that a minute lies in."""
    if timeframe != "session":
        length = LENGTHS[timeframe]
        return minute // length * length, minute // length * length + length
    return next(((opens, closes) for opens, closes in SESSIONS if opens <= minute < closes), None)


@pytest.mark.parametrize("timeframe", ["5m", "15m", "60m", "session"])
@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([0.02, 0.1, 0.3]), st.integers(1, 20_000))
def test_higher_bars_equal_those_made_bar_by_bar(timeframe: Timeframe, seed: int, share: float, count: int) -> None:
    minutes = sparse_minutes(seed, share)[:count]
    bars = bars_at(minutes, seed)
    spans: dict[tuple[int, int], list[int]] = {}
    for place, minute in enumerate(minutes.tolist()):
        span = span_of(minute, timeframe)
        if span is not None and (not len(minutes) or span[1] <= minutes[-1] + 1):
            spans.setdefault(span, []).append(place)
    before = [span for span in spans if span[0] < MONDAY]
    expected = [span for span in sorted(spans) if span not in before[: max(0, len(before) - START_UP)]]

    made = Higher(bars, minutes, MONDAY, timeframe)
    assert made.bars.minutes.tolist() == [start for start, _ in expected]
    assert made.ends.tolist() == [end for _, end in expected]
    for place, span in enumerate(expected):
        inside = spans[span]
        assert made.bars.open[place] == bars.open[inside[0]]
        assert made.bars.close[place] == bars.close[inside[-1]]
        assert made.bars.high[place] == max(bars.high[inside])
        assert made.bars.low[place] == min(bars.low[inside])
        assert made.bars.volume[place] == pytest.approx(sum(bars.volume[inside]))


@pytest.mark.parametrize("timeframe", ["5m", "15m", "60m", "session"])
def test_a_row_sees_the_newest_bar_closed_by_its_own_close(timeframe: Timeframe) -> None:
    minutes = sparse_minutes(3, 0.2)
    rows = minutes[-3000:]
    made = Higher(bars_at(minutes), rows, MONDAY, timeframe)
    aligned = made.align(np.arange(len(made.bars), dtype=np.float64))
    for row, seen, value in zip(rows.tolist(), made.seen.tolist(), aligned.tolist(), strict=True):
        closed = [place for place, end in enumerate(made.ends.tolist()) if end <= row + 1]
        assert seen == len(closed)
        assert value == closed[-1] if closed else np.isnan(value)


def test_bar_that_ends_with_the_rows_own_minute_is_closed_and_one_that_does_not_is_not() -> None:
    minutes = np.arange(MONDAY, MONDAY + 10)
    bars = bars_at(minutes)
    made = Higher(bars, minutes, MONDAY, "5m")
    assert made.seen.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 2]
    assert made.align(made.bars.close)[4:9].tolist() == [bars.close[4]] * 5


def test_missing_last_minute_closes_a_bar_with_the_next_row() -> None:
    minutes = np.array([MONDAY, MONDAY + 3, MONDAY + 7])
    made = Higher(bars_at(minutes), minutes, MONDAY, "5m")
    assert made.seen.tolist() == [0, 0, 1]


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 4000), st.sampled_from(["5m", "15m", "60m", "session"]))
def test_prefix_of_the_bars_gives_the_same_higher_bars_bit_by_bit(seed: int, count: int, timeframe: Timeframe) -> None:
    minutes = sparse_minutes(seed, 0.3)
    whole = Higher(bars_at(minutes), minutes, MONDAY, timeframe)
    count = max(count, int(np.searchsorted(minutes, MONDAY)) + 1)  # at least one row of the week
    part = bars_at(minutes).cut(0, count)
    prefix = Higher(part, part.minutes, MONDAY, timeframe)
    assert np.array_equal(prefix.seen, whole.seen[:count])
    for name in ("minutes", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(prefix.bars, name), getattr(whole.bars, name)[: len(prefix.bars)])


def test_no_higher_bar_straddles_an_iso_week() -> None:
    minutes = np.arange(MONDAY - 3 * WEEK, MONDAY + WEEK)
    for timeframe in (*LENGTHS, "session"):
        made = Higher(bars_at(minutes), minutes, MONDAY, timeframe)  # type: ignore[arg-type]
        assert ((made.bars.minutes - MONDAY) // WEEK == (made.ends - 1 - MONDAY) // WEEK).all()


def test_no_bars_make_no_higher_bars() -> None:
    none = np.empty(0, np.int64)
    made = Higher(bars_at(none), none, MONDAY, "5m")
    assert (len(made.bars), len(made.seen), len(made.align(made.bars.close))) == (0, 0, 0)
