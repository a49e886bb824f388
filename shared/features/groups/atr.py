"""True range: how far prices move within a bar, gaps included."""

from functools import partial
from typing import Final

import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group

_WILDER: Final = "Wilder, New Concepts in Technical Trading Systems (1978)"
_TRUE_RANGE: Final = "tr = max(high, close[-1]) - min(low, close[-1])"
_feature = partial(Feature, group=Group.ATR, timeframe="1m")


def _atr(bench: Bench, bars: int) -> Floats:
    return bench.cached(f"atr {bars}", lambda: talib.ATR(bench.high, bench.low, bench.close, bars))


def _range(bench: Bench) -> Floats:
    return bench.cached("true range", lambda: talib.TRANGE(bench.high, bench.low, bench.close))


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        name="atr_14",
        lookback=15,
        smoothing=27,
        scale_free=False,
        meaning="Average true range of 14 bars, dollars",
        formula=f"w(tr, 14), w = Wilder's mean, {_TRUE_RANGE}",
        source=f"{_WILDER}; TA-Lib ATR",
        compute=lambda bench: _atr(bench, 14),
    ),
    _feature(
        name="natr_14",
        lookback=15,
        smoothing=27,
        scale_free=True,
        meaning="Average true range of 14 bars, percent of the close",
        formula="100 * atr_14 / close",
        source=f"{_WILDER}; TA-Lib NATR",
        compute=lambda bench: 100 * _atr(bench, 14) / bench.close,
    ),
    _feature(
        name="true_range_to_atr_14",
        lookback=15,
        smoothing=27,
        scale_free=True,
        meaning="The bar's true range against the average of 14 bars: above 1 the bar is wider than usual",
        formula="tr / atr_14",
        source=f"{_WILDER}; TA-Lib ATR",
        compute=lambda bench: _range(bench) / _atr(bench, 14),
    ),
)
