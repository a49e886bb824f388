"""Intermediates that several groups share, each made once a bench.

Only sequential TA-Lib functions and operations that IEEE 754 rounds exactly (+ - * / sqrt) are used, so that values do
not depend on the arrays' length, their alignment or the processor. TA-Lib's running sums keep a remainder of rounding
where a window becomes constant; such windows are found exactly, by counting, and never by a threshold.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import talib

from shared.features.arrays import Flags, Floats, Ints
from shared.features.bench import Bench

BASIS_POINTS: Final = 1e4
"""Squares of returns are summed in basis points: TA-Lib takes a variance under 1e-14 for zero."""


def lagged(values: Floats, bars: int) -> Floats:
    """Return each row's value `bars` bars earlier; NaN where there is none."""
    earlier = np.full(len(values), np.nan)
    earlier[bars:] = values[: len(values) - bars] if bars < len(values) else []
    return earlier


def sma(bench: Bench, bars: int) -> Floats:
    """Return the mean close."""
    return bench.cached(f"sma {bars}", lambda: talib.SMA(bench.close, bars))


def returns(bench: Bench) -> Floats:
    """Return close / close one bar before - 1, in basis points; NaN in the first row."""
    return bench.cached("returns", lambda: talib.ROCP(bench.close, 1) * BASIS_POINTS)


def squares(bench: Bench) -> Floats:
    """Return the squared returns, in squared basis points."""
    return bench.cached("squares", lambda: returns(bench) * returns(bench))


def return_mean(bench: Bench, bars: int) -> Floats:
    """Return the mean of the last `bars` returns, in basis points."""
    return bench.cached(f"return mean {bars}", lambda: talib.SMA(returns(bench), bars))


def return_std(bench: Bench, bars: int) -> Floats:
    """Return the population deviation of the last `bars` returns in basis points; 0 where no close differs."""

    def make() -> Floats:
        deviation = talib.STDDEV(returns(bench), bars)
        deviation[flat(bench, bars + 1)] = 0.0
        return deviation

    return bench.cached(f"return std {bars}", make)


def from_first(bench: Bench) -> Floats:
    """Return close less the first one of the bench: small numbers, whose squares lose nothing."""
    return bench.cached("from first", lambda: bench.close - bench.close[:1])


def close_std(bench: Bench, bars: int) -> Floats:
    """Return the population deviation of the last `bars` closes; 0 where none differs."""

    def make() -> Floats:
        deviation = talib.STDDEV(from_first(bench), bars)
        deviation[flat(bench, bars)] = 0.0
        return deviation

    return bench.cached(f"close std {bars}", make)


def highest(bench: Bench, bars: int) -> Floats:
    """Return the highest close."""
    return bench.cached(f"highest {bars}", lambda: talib.MAX(bench.close, bars))


def run_length(values: Floats) -> Ints:
    """Return how many of the newest values are equal, the row's own included."""
    places = np.arange(len(values))
    changed = np.concatenate(([True], values[1:] != values[:-1]))[: len(values)]
    return places - np.maximum.accumulate(np.where(changed, places, 0)) + 1


def flat(bench: Bench, bars: int) -> Flags:
    """Return whether the last `bars` closes are equal."""
    run = bench.cached("run of closes", lambda: run_length(bench.close))
    still: Flags = run >= bars
    return still


def traded(bench: Bench, bars: int) -> Flags:
    """Return whether any of the last `bars` bars has volume; false where there are fewer."""
    count = bench.cached(f"traded {bars}", lambda: talib.SUM((bench.volume > 0).astype(np.float64), bars))
    some: Flags = count > 0
    return some


def volume_sum(bench: Bench, bars: int) -> Floats:
    """Return the volume of the last `bars` bars; NaN where none has any."""

    def make() -> Floats:
        total = talib.SUM(bench.volume, bars)
        total[~traded(bench, bars)] = np.nan
        return total

    return bench.cached(f"volume sum {bars}", make)
