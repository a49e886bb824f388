"""Bollinger bands: the mean of 20 closes, and 2 population deviations on either side."""

from functools import partial
from typing import Final

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.rolling import close_std, sma

_BARS: Final = 20
_DEVIATIONS: Final = 2.0
_feature = partial(
    Feature,
    group=Group.BOLLINGER,
    timeframe="1m",
    lookback=_BARS,
    smoothing=0,
    source="Bollinger, Bollinger on Bollinger Bands (2001); TA-Lib BBANDS",
)


def _half(bench: Bench) -> Floats:
    """Return half the distance of the bands; 0 where all closes are equal."""
    return bench.cached("bollinger half", lambda: _DEVIATIONS * close_std(bench, _BARS))


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        name="bb_upper_20",
        scale_free=False,
        meaning="Upper Bollinger band, dollars",
        formula="mean(close, 20) + 2 * std(close, 20)",
        compute=lambda bench: sma(bench, _BARS) + _half(bench),
    ),
    _feature(
        name="bb_lower_20",
        scale_free=False,
        meaning="Lower Bollinger band, dollars",
        formula="mean(close, 20) - 2 * std(close, 20)",
        compute=lambda bench: sma(bench, _BARS) - _half(bench),
    ),
    _feature(
        name="bb_percent_b_20",
        scale_free=True,
        meaning="Where the close lies between the bands: 0 at the lower, 1 at the upper; null while the price is flat",
        formula="(close - lower) / (upper - lower)",
        compute=lambda bench: (bench.close - sma(bench, _BARS)) / (2 * _half(bench)) + 0.5,
    ),
    _feature(
        name="bb_width_20",
        scale_free=True,
        meaning="Distance of the bands, as a share of the mean between them",
        formula="(upper - lower) / mean(close, 20)",
        compute=lambda bench: 2 * _half(bench) / sma(bench, _BARS),
    ),
)
