"""The same questions asked of longer bars: only closed ones, the newest of which may be up to its length old."""

from typing import Final

import numpy as np
import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group, Timeframe
from shared.features.higher import Higher

FAST: Final = 4
SLOW: Final = 12
RANGE: Final = 14


def _ema(higher: Higher, bars: int) -> Floats:
    return higher.cached(f"ema {bars}", lambda: talib.EMA(higher.bars.close, bars))


def _past_return(higher: Higher, bars: int) -> Floats:
    close = higher.bars.close
    returns = np.full(len(close), np.nan)
    returns[bars:] = close[bars:] / close[: max(0, len(close) - bars)] - 1
    return returns


def _range_position(bench: Bench, timeframe: Timeframe) -> Floats:
    higher = bench.higher(timeframe)
    low = higher.align(talib.MIN(higher.bars.low, RANGE))
    width = higher.align(talib.MAX(higher.bars.high, RANGE)) - low
    return (bench.close - low) / np.where(width > 0, width, np.nan)


def _strength(timeframe: Timeframe, bars: int) -> Feature:
    def compute(bench: Bench) -> Floats:
        higher = bench.higher(timeframe)
        return higher.align(talib.RSI(higher.bars.close, bars))

    return Feature(
        name=f"rsi_{bars}_{timeframe}",
        group=Group.MULTI_TIMEFRAME,
        timeframe=timeframe,
        lookback=bars + 1,
        smoothing=2 * bars - 1,
        scale_free=True,
        meaning=f"Relative strength of the closed bars of {timeframe}, 0 to 100.",
        formula=f"rsi(close, {bars}) of {timeframe} bars",
        source="TA-Lib RSI",
        compute=compute,
    )


def _trend(timeframe: Timeframe) -> Feature:
    def compute(bench: Bench) -> Floats:
        higher = bench.higher(timeframe)
        return higher.align(_ema(higher, FAST) / _ema(higher, SLOW) - 1)

    return Feature(
        name=f"ema_{FAST}_to_{SLOW}_{timeframe}",
        group=Group.MULTI_TIMEFRAME,
        timeframe=timeframe,
        lookback=SLOW,
        smoothing=SLOW,
        scale_free=True,
        meaning=f"How far the fast mean of the closed bars of {timeframe} stands above the slow one, as a share.",
        formula=f"ema(close, {FAST}) / ema(close, {SLOW}) - 1 of {timeframe} bars",
        source="TA-Lib EMA",
        compute=compute,
    )


def _position(timeframe: Timeframe) -> Feature:
    return Feature(
        name=f"range_position_{RANGE}_{timeframe}",
        group=Group.MULTI_TIMEFRAME,
        timeframe=timeframe,
        lookback=RANGE,
        smoothing=0,
        scale_free=True,
        meaning=f"Where the close lies in the range of the last {RANGE} closed bars of {timeframe}: 0 = at their low, "
        "1 = at their high, beyond where it has broken out.",
        formula=f"(close - low) / (high - low); low = min(low, {RANGE}), high = max(high, {RANGE}) of {timeframe} bars",
        source="TA-Lib MIN, MAX",
        compute=lambda bench: _range_position(bench, timeframe),
    )


def _sessions(bars: int) -> Feature:
    sessions = "session" if bars == 1 else "sessions"

    def compute(bench: Bench) -> Floats:
        higher = bench.higher("session")
        return higher.align(_past_return(higher, bars))

    return Feature(
        name=f"return_{bars}_{sessions}",
        group=Group.MULTI_TIMEFRAME,
        timeframe="session",
        lookback=bars + 2,
        smoothing=0,
        scale_free=True,
        meaning=f"Return of the last {bars} closed {sessions}, close to close.",
        formula=f"close / close[{bars}] - 1 of session bars",
        source="simple return",
        compute=compute,
    )


FEATURES: Final[tuple[Feature, ...]] = (
    _strength("5m", 14),
    _strength("15m", 14),
    _strength("60m", 7),
    _trend("5m"),
    _trend("15m"),
    _trend("60m"),
    _position("15m"),
    _position("60m"),
    _sessions(1),
    _sessions(5),
)
"""Features of the group."""
