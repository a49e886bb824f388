"""Moving averages: where the close stands against its means."""

from functools import partial
from typing import Final

import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.rolling import sma

_feature = partial(Feature, group=Group.MOVING_AVERAGES, timeframe="1m")


def _ema(bench: Bench, bars: int) -> Floats:
    return bench.cached(f"ema {bars}", lambda: talib.EMA(bench.close, bars))


def _simple(bars: int) -> Feature:
    return _feature(
        name=f"sma_{bars}_distance",
        lookback=bars,
        smoothing=0,
        scale_free=True,
        meaning=f"How far the close stands above its mean of {bars} bars, as a share of that",
        formula=f"close / mean(close, {bars}) - 1",
        source="TA-Lib SMA",
        compute=lambda bench: bench.close / sma(bench, bars) - 1,
    )


def _exponential(bars: int) -> Feature:
    return _feature(
        name=f"ema_{bars}_distance",
        lookback=bars,
        smoothing=bars,
        scale_free=True,
        meaning=f"How far the close stands above its exponential mean of span {bars}, as a share of that",
        formula=f"close / ema(close, {bars}) - 1",
        source="TA-Lib EMA",
        compute=lambda bench: bench.close / _ema(bench, bars) - 1,
    )


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        name="sma_20",
        lookback=20,
        smoothing=0,
        scale_free=False,
        meaning="Mean close of 20 bars, dollars",
        formula="mean(close, 20)",
        source="TA-Lib SMA",
        compute=lambda bench: sma(bench, 20),
    ),
    _feature(
        name="ema_20",
        lookback=20,
        smoothing=20,
        scale_free=False,
        meaning="Exponential mean of the close of span 20, dollars",
        formula="ema(close, 20)",
        source="TA-Lib EMA",
        compute=lambda bench: _ema(bench, 20),
    ),
    *(_simple(bars) for bars in (10, 50, 200)),
    *(_exponential(bars) for bars in (20,)),
)
