"""Stochastic oscillators: where the close lies in the range of the last bars; 0 where the range has no width."""

from functools import partial
from typing import Final

import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group

_LANE: Final = "Lane, Lane's Stochastics (1984); TA-Lib "
_feature = partial(Feature, group=Group.STOCHASTIC, timeframe="1m", smoothing=0, scale_free=True)


def _fast(bench: Bench) -> tuple[Floats, Floats]:
    """Return %K of 14 bars and its mean of 3."""
    return bench.cached("stochf", lambda: talib.STOCHF(bench.high, bench.low, bench.close, 14, 3))


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        name="stochf_k_14",
        lookback=16,
        meaning="Where the close lies in the range of 14 bars, 0 to 100",
        formula="100 * (close - min(low, 14)) / (max(high, 14) - min(low, 14))",
        source=_LANE + "STOCHF",
        compute=lambda bench: _fast(bench)[0],
    ),
    _feature(
        name="stoch_d_14",
        lookback=18,
        meaning="Mean of 3 bars of the mean: the slow stochastic's signal",
        formula="mean(stochf_d_14, 3)",
        source=_LANE + "STOCH",
        compute=lambda bench: talib.SMA(_fast(bench)[1], 3),
    ),
    _feature(
        name="willr_60",
        lookback=60,
        meaning="Where the close lies below the high of 60 bars, -100 to 0",
        formula="-100 * (max(high, 60) - close) / (max(high, 60) - min(low, 60))",
        source="Williams, How I Made One Million Dollars (1973); TA-Lib WILLR",
        compute=lambda bench: talib.WILLR(bench.high, bench.low, bench.close, 60),
    ),
)
