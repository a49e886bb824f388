"""Moving average convergence divergence: exponential means of 12 and 26 bars, and a signal of 9."""

from functools import partial
from typing import Final

import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group

_feature = partial(Feature, group=Group.MACD, timeframe="1m", source="Appel (1979); TA-Lib MACD")
_SLOW_AND_SIGNAL: Final = 26 + 9  # the one average is made of the other


def _macd(bench: Bench) -> tuple[Floats, Floats, Floats]:
    """Return line, signal and histogram."""
    return bench.cached("macd", lambda: talib.MACD(bench.close, 12, 26, 9))


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        name="macd",
        lookback=34,
        smoothing=_SLOW_AND_SIGNAL,
        scale_free=False,
        meaning="Exponential mean of 12 bars less that of 26, dollars",
        formula="ema(close, 12) - ema(close, 26)",
        compute=lambda bench: _macd(bench)[0],
    ),
    _feature(
        name="macd_to_close",
        lookback=34,
        smoothing=_SLOW_AND_SIGNAL,
        scale_free=True,
        meaning="The line as a share of the close",
        formula="macd / close",
        compute=lambda bench: _macd(bench)[0] / bench.close,
    ),
    _feature(
        name="macd_hist_to_close",
        lookback=34,
        smoothing=_SLOW_AND_SIGNAL,
        scale_free=True,
        meaning="The line less its signal, as a share of the close",
        formula="(macd - macd_signal) / close",
        compute=lambda bench: _macd(bench)[2] / bench.close,
    ),
)
