"""What a feature's function gets: the bars known to a row as arrays, higher bars, sessions, context, a cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final, TypeVar, cast

import numpy as np

from shared.features.arrays import BarArrays, Floats, Ints
from shared.features.context import Context
from shared.features.feature import Timeframe
from shared.features.higher import Higher
from shared.features.known import Known
from shared.features.sessions import Sessions

START_UP_BARS: Final = 500
"""Minute bars before the week's first one that minute features are started up with."""

T = TypeVar("T")


class Bench:
    """The bars of one ticker as known in one knowledge segment.

    The minute rows are the last START_UP_BARS bars before the week and the week's own; each array of the bench, and
    each result of a feature, has their length. `history` has all bars since the anchor, for higher bars and sessions.

    Args:
        history: Bars since the anchor (START_UP_WEEKS before the week), adjusted for splits.
        week_start: Minute (since 1970, UTC) at which the week starts.
        as_of: For each bar of `history`, microseconds since 1970: up to when facts count as known to its row.
        context: The slow facts, every version.
        simulated: Whether the ticker is simulated: it has an economy of its own.
    """

    def __init__(
        self, history: BarArrays, week_start: int, as_of: Ints, context: Context, simulated: bool = False
    ) -> None:
        self.history = history
        self.week_start = week_start
        self.first = max(0, int(np.searchsorted(history.minutes, week_start)) - START_UP_BARS)
        self.bars = history.cut(self.first)
        self._all_as_of = as_of
        self.as_of: Ints = as_of[self.first :]
        self.facts = context
        self.week_rows = len(history) - int(np.searchsorted(history.minutes, week_start))
        """How many of the rows are the week's."""
        self._simulated = simulated
        self._cache: dict[str, object] = {}

    def bare(self) -> Bench:
        """Return the same bench without what was cached."""
        return Bench(self.history, self.week_start, self._all_as_of, self.facts, self._simulated)

    def __len__(self) -> int:
        return len(self.bars)

    @property
    def minutes(self) -> Ints:
        """Return the start of each bar, minutes since 1970."""
        return self.bars.minutes

    @property
    def open(self) -> Floats:
        return self.bars.open

    @property
    def high(self) -> Floats:
        return self.bars.high

    @property
    def low(self) -> Floats:
        return self.bars.low

    @property
    def close(self) -> Floats:
        return self.bars.close

    @property
    def volume(self) -> Floats:
        return self.bars.volume

    @property
    def trade_count(self) -> Floats:
        return self.bars.trade_count

    @property
    def vwap(self) -> Floats:
        return self.bars.vwap

    def cached(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make` gives, made once a bench; `key` must tell it from every other intermediate."""
        if key not in self._cache:
            self._cache[key] = make()
        return cast(T, self._cache[key])

    def span(self, bars: int) -> Floats:
        """Return how many minutes each row's last `bars` bars cover, its own included; NaN where there are fewer."""
        if len(self) < bars:
            return np.full(len(self), np.nan)
        covered = self.minutes[bars - 1 :] + 1 - self.minutes[: len(self) - bars + 1]
        return np.concatenate((np.full(bars - 1, np.nan), covered))

    def higher(self, timeframe: Timeframe) -> Higher:
        """Return the closed higher bars, made from the whole history."""
        return self.cached(
            f"higher {timeframe}", lambda: Higher(self.history, self.minutes, self.week_start, timeframe)
        )

    @cached_property
    def history_sessions(self) -> Sessions:
        """Return the exchange calendar at each bar of `history`."""
        return Sessions.of(self.history.minutes)

    @cached_property
    def session(self) -> Sessions:
        """Return the exchange calendar at each minute row."""
        return self.history_sessions.cut(self.first)

    @cached_property
    def context(self) -> Known:
        """Return the slow facts as known at each minute row's `as_of`."""
        return Known(self.facts, self.minutes, self.as_of, self._simulated)

    def seen(self, timeframe: Timeframe) -> Ints:
        """Return how many bars of `timeframe` each minute row may look at (closed higher bars; sessions begun)."""
        if timeframe == "1m":
            return np.arange(1, len(self) + 1)
        return self.session.seen if timeframe == "session" else self.higher(timeframe).seen
