"""Closed higher bars made from minute bars, and their values brought back onto minute rows.

A higher bar covers [start, end). Clock bars (5, 15, 60 minutes) are aligned to midnight UTC; a session bar is the
regular session of the exchange calendar. None straddles an ISO week. Missing minutes stay missing: a higher bar is made
of the minutes that there are, and a span without any has no bar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar, cast

import numpy as np

from shared.features.arrays import BarArrays, Floats, Ints
from shared.features.feature import Timeframe
from shared.features.sessions import table_of

START_UP: Final = 400
"""Higher bars before the week's first minute that start things up, if the anchor reaches back so far."""

CLOCK_MINUTES: Final[dict[Timeframe, int]] = {"5m": 5, "15m": 15, "60m": 60}
"""Length of the timeframes that follow the clock."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Spans:
    """The higher bars by the minute bars that they are made of: places [firsts[i], ends[i]), covering [start, end)."""

    firsts: Ints
    ends: Ints
    start: Ints
    end: Ints

    def cut(self, first: int, last: int) -> _Spans:
        return _Spans(self.firsts[first:last], self.ends[first:last], self.start[first:last], self.end[first:last])


class HigherBars:
    """Higher bars as arrays of one length; a column is made when it is first asked for.

    Args:
        history: The minute bars that they are made of.
        spans: Which of those make which.
    """

    def __init__(self, history: BarArrays, spans: _Spans) -> None:
        self._history = history
        self._spans = spans

    def __len__(self) -> int:
        return len(self._spans.start)

    @property
    def minutes(self) -> Ints:
        """Return the start of each bar, minutes since 1970."""
        return self._spans.start

    @cached_property
    def open(self) -> Floats:
        """Return the open of its first minute bar."""
        return self._history.open[self._spans.firsts]

    @cached_property
    def high(self) -> Floats:
        """Return the highest price."""
        return self._reduced(np.maximum, self._history.high)

    @cached_property
    def low(self) -> Floats:
        """Return the lowest price."""
        return self._reduced(np.minimum, self._history.low)

    @cached_property
    def close(self) -> Floats:
        """Return the close of its last minute bar."""
        return self._history.close[self._spans.ends - 1]

    @cached_property
    def volume(self) -> Floats:
        """Return the sum of the volumes."""
        return self._reduced(np.add, self._history.volume)

    def _reduced(self, operation: np.ufunc, values: Floats) -> Floats:
        if not len(self):
            return np.empty(0)
        first, last = int(self._spans.firsts[0]), int(self._spans.ends[-1])
        # Edges come in pairs [first, end), so that minutes between two higher bars belong to neither.
        edges = np.stack((self._spans.firsts, self._spans.ends), axis=1).ravel()[:-1] - first
        # Every second result is that of a gap. The columns are handed to TA-Lib, which wants them contiguous.
        return np.ascontiguousarray(operation.reduceat(values[first:last], edges)[::2])


class Higher:
    """Bars of a higher timeframe that are closed at the bench's last row.

    Args:
        history: All minute bars since the anchor.
        rows: Minutes of the bench's rows, the end of `history`.
        week_start: Minute at which the week starts; a fixed number of higher bars before it starts things up.
        timeframe: 5m, 15m, 60m or session.
    """

    def __init__(self, history: BarArrays, rows: Ints, week_start: int, timeframe: Timeframe) -> None:
        history = _needed(history, week_start, timeframe)
        spans = _closed(_spans(history.minutes, timeframe), history.minutes)
        before = int(np.searchsorted(spans.start, week_start))
        spans = spans.cut(max(0, before - START_UP), spans.start.size)
        self.bars = HigherBars(history, spans)
        self.ends: Ints = spans.end
        """Their ends, exclusive, minutes since 1970."""
        self.seen: Ints = _counted(spans.end, rows)
        """How many of them each minute row may look at: a bar [b, b + k) where b + k <= t + 1 minute."""
        self._cache: dict[str, object] = {}

    def cached(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make` gives, made once."""
        if key not in self._cache:
            self._cache[key] = make()
        return cast(T, self._cache[key])

    def align(self, values: Floats) -> Floats:
        """Return, for each minute row, the value of its newest closed higher bar; NaN where there is none."""
        return np.concatenate(([np.nan], values))[self.seen]


def _needed(history: BarArrays, week_start: int, timeframe: Timeframe) -> BarArrays:
    """Return the end of `history` that holds START_UP whole higher bars before the week, if there are so many."""
    if timeframe not in CLOCK_MINUTES:
        return history
    enough = (START_UP + 1) * CLOCK_MINUTES[timeframe]
    return history.cut(max(0, int(np.searchsorted(history.minutes, week_start)) - enough))


def _counted(ends: Ints, rows: Ints) -> Ints:
    """Return for each row how many of the ascending `ends` lie at or before its own end."""
    firsts = np.searchsorted(rows, ends - 1)  # few ends are looked up among many rows
    return np.cumsum(np.bincount(firsts, minlength=rows.size + 1)[: rows.size])


def _spans(minutes: Ints, timeframe: Timeframe) -> _Spans:
    """Return all higher bars, the unfinished one at the end included."""
    if minutes.size == 0:
        none = np.empty(0, np.int64)
        return _Spans(none, none, none, none)
    if timeframe == "session":
        table = table_of(minutes)
        firsts, ends = np.searchsorted(minutes, table.opens), np.searchsorted(minutes, table.closes)
        held = ends > firsts
        return _Spans(firsts[held], ends[held], table.opens[held], table.closes[held])
    length = CLOCK_MINUTES[timeframe]
    number = minutes // length
    firsts = np.concatenate(([0], np.flatnonzero(number[1:] != number[:-1]) + 1))
    start = number[firsts] * length
    return _Spans(firsts, np.append(firsts[1:], minutes.size), start, start + length)


def _closed(spans: _Spans, minutes: Ints) -> _Spans:
    """Return the bars that have ended by the close of the last minute bar."""
    return spans.cut(0, int(np.searchsorted(spans.end, minutes[-1] + 1, side="right")) if minutes.size else 0)
