"""Closed higher bars made from minute bars, and their values brought back onto minute rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shared.features.arrays import BarArrays, Floats, Ints
from shared.features.feature import Timeframe

T = TypeVar("T")


class Higher:
    """Bars of a higher timeframe that are closed at the bench's last row.

    Args:
        history: All minute bars since the anchor.
        rows: Minutes of the bench's rows, the end of `history`.
        week_start: Minute at which the week starts; a fixed number of higher bars before it starts things up.
        timeframe: 5m, 15m or 60m.
    """

    def __init__(self, history: BarArrays, rows: Ints, week_start: int, timeframe: Timeframe) -> None:
        raise NotImplementedError

    bars: BarArrays
    """The higher bars."""
    seen: Ints
    """How many of them each minute row may look at: a bar [b, b + k) where b + k <= t + 1 minute."""

    def cached(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make` gives, made once."""
        raise NotImplementedError

    def align(self, values: Floats) -> Floats:
        """Return, for each minute row, the value of its newest closed higher bar; NaN where there is none."""
        raise NotImplementedError
