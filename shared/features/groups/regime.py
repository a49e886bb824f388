"""The market's regime: trending or not, calm or wild, against what was usual."""

from typing import Final

import numpy as np
import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.rolling import flat, lagged, return_std

DIRECTIONAL: Final = 14
WILDER: Final = 2 * DIRECTIONAL - 1  # the span of Wilder's mean of 14
PATH: Final = 60
SHORT: Final = 30
LONG: Final = 240
RANKED: Final = 20
_KAUFMAN: Final = "Kaufman, Smarter Trading (1995): efficiency ratio"


def _direction(bench: Bench) -> Floats:
    prices = bench.high, bench.low, bench.close
    return talib.PLUS_DI(*prices, DIRECTIONAL) - talib.MINUS_DI(*prices, DIRECTIONAL)


def _efficiency(bench: Bench) -> Floats:
    path = talib.SUM(np.abs(bench.close - lagged(bench.close, 1)), PATH)
    path[flat(bench, PATH + 1)] = np.nan
    return np.abs(bench.close - lagged(bench.close, PATH)) / path


def _volatility(bench: Bench) -> Floats:
    usual = return_std(bench, LONG)
    return return_std(bench, SHORT) / np.where(usual > 0, usual, np.nan)


def _range_rank(bench: Bench) -> Floats:
    higher = bench.higher("session")
    ranges = higher.bars.high / higher.bars.low
    ranks = np.full(len(ranges), np.nan)
    if len(ranges) >= RANKED:
        windows = np.lib.stride_tricks.sliding_window_view(ranges, RANKED)
        ranks[RANKED - 1 :] = (windows <= windows[:, -1:]).sum(axis=1) / RANKED
    return higher.align(ranks)


FEATURES: Final[tuple[Feature, ...]] = (
    Feature(
        name=f"adx_{DIRECTIONAL}",
        group=Group.REGIME,
        timeframe="1m",
        lookback=2 * DIRECTIONAL,
        smoothing=WILDER,
        scale_free=True,
        meaning="Strength of the trend of the last minutes, up or down alike: under 20 there is hardly one.",
        formula="adx(high, low, close, 14)",
        source="TA-Lib ADX",
        compute=lambda bench: talib.ADX(bench.high, bench.low, bench.close, DIRECTIONAL),
    ),
    Feature(
        name=f"direction_{DIRECTIONAL}",
        group=Group.REGIME,
        timeframe="1m",
        lookback=DIRECTIONAL + 1,
        smoothing=WILDER,
        scale_free=True,
        meaning="Upward less downward movement of the last minutes, -100 to 100.",
        formula="plus_di(high, low, close, 14) - minus_di(high, low, close, 14)",
        source="TA-Lib PLUS_DI, MINUS_DI",
        compute=_direction,
    ),
    Feature(
        name=f"efficiency_{PATH}",
        group=Group.REGIME,
        timeframe="1m",
        lookback=PATH + 1,
        smoothing=0,
        scale_free=True,
        meaning="Share of an hour's way that led somewhere: 1 = straight, 0 = back and forth; null without any move.",
        formula="abs(close - close[60]) / sum(abs(close - close[1]), 60)",
        source=_KAUFMAN,
        compute=_efficiency,
    ),
    Feature(
        name=f"volatility_{SHORT}_to_{LONG}",
        group=Group.REGIME,
        timeframe="1m",
        lookback=LONG + 1,
        smoothing=0,
        scale_free=True,
        meaning="Deviation of the newest returns over that of a longer time: above 1 it is wilder than usual.",
        formula="std(close / close[1] - 1, 30) / std(close / close[1] - 1, 240)",
        source="TA-Lib STDDEV",
        compute=_volatility,
    ),
    Feature(
        name=f"range_rank_{RANKED}_sessions",
        group=Group.REGIME,
        timeframe="session",
        lookback=RANKED + 1,
        smoothing=0,
        scale_free=True,
        meaning="Share of the last 20 closed sessions whose range was no wider than the newest one's.",
        formula="mean(high / low <= newest high / low, 20 sessions)",
        source="percentile rank of the range",
        compute=_range_rank,
    ),
)
"""Features of the group."""
