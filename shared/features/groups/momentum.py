"""Momentum: how far the price has come."""

from functools import partial
from typing import Final

import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group

_feature = partial(Feature, group=Group.MOMENTUM, timeframe="1m", smoothing=0, scale_free=True)


def _rocp(bench: Bench, bars: int) -> Floats:
    return bench.cached(f"rocp {bars}", lambda: talib.ROCP(bench.close, bars))


def _return(bars: int) -> Feature:
    return _feature(
        name=f"rocp_{bars}",
        lookback=bars + 1,
        meaning=f"Return over {bars} bar{'s' if bars > 1 else ''}",
        formula=f"close / close[-{bars}] - 1",
        source="TA-Lib ROCP",
        compute=lambda bench: _rocp(bench, bars),
    )


FEATURES: Final[tuple[Feature, ...]] = (
    *(_return(bars) for bars in (1, 5, 15, 60, 390)),
    _feature(
        name="cci_20",
        lookback=20,
        meaning="Commodity channel index: mean deviations of the typical price from its mean of 20 bars, over 0.015",
        formula="(p - mean(p, 20)) / (0.015 * mean(abs(p - mean(p, 20)), 20)), p = (high + low + close) / 3",
        source="Lambert (1980); TA-Lib CCI",
        compute=lambda bench: talib.CCI(bench.high, bench.low, bench.close, 20),
    ),
    _feature(
        name="bop",
        lookback=1,
        meaning="Balance of power: the bar's body as a share of its range, -1 to 1; 0 where it has no range",
        formula="(close - open) / (high - low)",
        source="Livshin (2001); TA-Lib BOP",
        compute=lambda bench: talib.BOP(bench.open, bench.high, bench.low, bench.close),
    ),
)
