"""Risk: how bad it was lately, how wide bars are, what trading costs."""

from functools import partial
from math import log
from typing import Final

import numpy as np
import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.rolling import BASIS_POINTS, flat, highest, lagged, return_mean, return_std, returns

_RETURN: Final = "r = close / close[-1] - 1"
_feature = partial(Feature, group=Group.RISK, timeframe="1m", smoothing=0, scale_free=True)


def _drawdown(bench: Bench, bars: int) -> Floats:
    return bench.cached(f"drawdown {bars}", lambda: bench.close / highest(bench, bars) - 1)


def _downside(bench: Bench, bars: int) -> Floats:
    """Return the root mean square of the falls, rises counted as 0, in basis points; 0 without a fall."""

    def make() -> Floats:
        falls = np.minimum(returns(bench), 0.0)
        deviation = _root(talib.SMA(falls * falls, bars))
        deviation[talib.SUM(np.where(falls < 0, 1.0, 0.0), bars) == 0] = 0.0
        return deviation

    return bench.cached(f"downside {bars}", make)


def _root(values: Floats) -> Floats:
    """Return the square root; a running sum's remainder below zero counts as zero."""
    return np.sqrt(np.maximum(values, 0.0))


def _relative(higher: Floats, lower: Floats) -> Floats:
    """Return ln(higher / lower) to the third order: their difference over their mean."""
    return 2 * (higher - lower) / (higher + lower)


def _range_square(bench: Bench) -> Floats:
    return bench.cached("range square", lambda: np.square(_relative(bench.high, bench.low) * BASIS_POINTS))


def _parkinson(bench: Bench, bars: int) -> Floats:
    return _root(talib.SMA(_range_square(bench), bars) / (4 * log(2))) / BASIS_POINTS


def _spread(bench: Bench, bars: int) -> Floats:
    """Return Roll's spread: 0 where successive changes do not go together against each other."""
    change = talib.MOM(bench.close, 1)
    before = lagged(change, 1)
    both = talib.SMA(change * before, bars)
    covariance = both - talib.SMA(change, bars) * talib.SMA(before, bars)
    covariance[flat(bench, bars + 1)] = 0.0
    return 2 * _root(-covariance) / bench.close


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        name="drawdown_60",
        lookback=60,
        meaning="How far the close stands below the highest of 60 bars, as a share, 0 or negative",
        formula="close / max(close, 60) - 1",
        source="TA-Lib MAX",
        compute=lambda bench: _drawdown(bench, 60),
    ),
    _feature(
        name="recovery_60",
        lookback=60,
        meaning="How far the close stands above the lowest of 60 bars, as a share",
        formula="close / min(close, 60) - 1",
        source="TA-Lib MIN",
        compute=lambda bench: bench.close / talib.MIN(bench.close, 60) - 1,
    ),
    _feature(
        name="downside_deviation_60",
        lookback=61,
        meaning="Root mean square of the falls among the last 60 returns",
        formula=f"sqrt(mean(min(r, 0) ** 2, 60)), {_RETURN}",
        source="Sortino and Price (1994)",
        compute=lambda bench: _downside(bench, 60) / BASIS_POINTS,
    ),
    _feature(
        name="return_to_risk_60",
        lookback=61,
        meaning="Mean of the last 60 returns against their deviation; null while flat",
        formula=f"mean(r, 60) / std(r, 60), {_RETURN}",
        source="Sharpe (1966), without a riskless rate",
        compute=lambda bench: return_mean(bench, 60) / return_std(bench, 60),
    ),
    _feature(
        name="worst_return_60",
        lookback=61,
        meaning="Least of the last 60 returns",
        formula=f"min(r, 60), {_RETURN}",
        source="TA-Lib MIN",
        compute=lambda bench: talib.MIN(returns(bench), 60) / BASIS_POINTS,
    ),
    _feature(
        name="parkinson_60",
        lookback=60,
        meaning="Deviation a bar, told from highs and lows of 60 bars",
        formula="sqrt(mean(x ** 2, 60) / (4 * ln 2)), x = 2 * (high - low) / (high + low)",
        source="Parkinson (1980); x is ln(high / low) to the third order",
        compute=lambda bench: _parkinson(bench, 60),
    ),
    _feature(
        name="roll_spread_60",
        lookback=62,
        meaning="Effective spread told from how successive changes revert over 60 bars, as a share of the close",
        formula="2 * sqrt(max(0, -cov(d, d[-1], 60))) / close, d = close - close[-1]",
        source="Roll (1984)",
        compute=lambda bench: _spread(bench, 60),
    ),
    _feature(
        name="gap",
        lookback=2,
        meaning="Open against the close of the bar before, as a share: what happens between trades and over night",
        formula="open / close[-1] - 1",
        source="this project",
        compute=lambda bench: bench.open / lagged(bench.close, 1) - 1,
    ),
)
