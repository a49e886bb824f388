"""Relative strength index, Wilder's: the share of rises in the smoothed moves, 0 to 100; 0 while the price is flat."""

from functools import partial
from typing import Final

import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group

_WILDER: Final = "Wilder, New Concepts in Technical Trading Systems (1978)"
_feature = partial(Feature, group=Group.RSI, timeframe="1m", scale_free=True)


def _rsi(bench: Bench, bars: int) -> Floats:
    return bench.cached(f"rsi {bars}", lambda: talib.RSI(bench.close, bars))


def _index(bars: int) -> Feature:
    return _feature(
        name=f"rsi_{bars}",
        lookback=bars + 1,
        smoothing=2 * bars - 1,
        meaning=f"Relative strength index of {bars} bars, 0 to 100",
        formula=f"100 * w(rise, {bars}) / (w(rise, {bars}) + w(fall, {bars})), w = Wilder's mean",
        source=f"{_WILDER}; TA-Lib RSI",
        compute=lambda bench: _rsi(bench, bars),
    )


def _stochastic(bench: Bench) -> Floats:
    """Return where the index lies in its own range of 14 bars; NaN where that has no width."""
    index = _rsi(bench, 14)
    low, high = talib.MINMAX(index, 14)
    position: Floats = (index - low) / (high - low) * 100
    return position


FEATURES: Final[tuple[Feature, ...]] = (
    *(_index(bars) for bars in (7, 14)),
    _feature(
        name="stochrsi_14",
        lookback=28,
        smoothing=27,
        meaning="Where the index of 14 bars lies in its own range of 14 bars, 0 to 100; null where that has no width",
        formula="100 * (rsi_14 - min(rsi_14, 14)) / (max(rsi_14, 14) - min(rsi_14, 14))",
        source="Chande and Kroll, The New Technical Trader (1994); TA-Lib STOCHRSI",
        compute=_stochastic,
    ),
)
