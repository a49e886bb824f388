"""Statistical: the shape of the last returns. Moments are those of the population, over whole windows of bars."""

from functools import partial
from typing import Final

import numpy as np
import talib

from shared.features.arrays import Flags, Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.rolling import (
    BASIS_POINTS,
    flat,
    from_first,
    lagged,
    return_mean,
    return_std,
    returns,
    squares,
)

_RETURN: Final = "r = close / close[-1] - 1"
_feature = partial(Feature, group=Group.STATISTICAL, timeframe="1m", smoothing=0, scale_free=True)


def _deviation(bars: int) -> Feature:
    return _feature(
        name=f"return_std_{bars}",
        lookback=bars + 1,
        meaning=f"Deviation of the last {bars} returns",
        formula=f"std(r, {bars}), {_RETURN}",
        source="TA-Lib STDDEV",
        compute=lambda bench: return_std(bench, bars) / BASIS_POINTS,
    )


def _skew(bench: Bench, bars: int) -> Floats:
    mean, deviation = return_mean(bench, bars), return_std(bench, bars)
    cubes = talib.SMA(squares(bench) * returns(bench), bars)
    central = cubes - 3 * mean * talib.SMA(squares(bench), bars) + 2 * mean * mean * mean
    return central / (deviation * deviation * deviation)


def _kurtosis(bench: Bench, bars: int) -> Floats:
    mean, variance = return_mean(bench, bars), np.square(return_std(bench, bars))
    second, third = talib.SMA(squares(bench), bars), talib.SMA(squares(bench) * returns(bench), bars)
    fourth = talib.SMA(squares(bench) * squares(bench), bars)
    central = fourth - 4 * mean * third + 6 * mean * mean * second - 3 * mean * mean * mean * mean
    excess: Floats = central / (variance * variance) - 3
    return excess


def _correlation(first: Floats, second: Floats, bars: int, steady: Flags) -> Floats:
    """Return the correlation over windows; NaN where one of the two is constant, as `steady` tells exactly."""
    correlation = talib.CORREL(first, second, bars)
    correlation[steady] = np.nan
    return correlation


def _autocorrelation(bench: Bench, bars: int) -> Floats:
    still = flat(bench, bars + 1) | np.append([False], flat(bench, bars + 1)[:-1])
    return _correlation(returns(bench), lagged(returns(bench), 1), bars, still)


def _trend(bench: Bench, bars: int) -> Floats:
    return _correlation(from_first(bench), np.arange(len(bench), dtype=np.float64), bars, flat(bench, bars))


def _variance_ratio(bench: Bench, step: int, bars: int) -> Floats:
    """Return the variance of returns over `step` bars against that of as many single ones; NaN on a flat price."""
    long = talib.STDDEV(talib.ROCP(bench.close, step) * BASIS_POINTS, bars)
    short = return_std(bench, bars)
    return long * long / (step * short * short)


FEATURES: Final[tuple[Feature, ...]] = (
    *(_deviation(bars) for bars in (20, 60, 390)),
    _feature(
        name="return_skew_60",
        lookback=61,
        meaning="Skewness of the last 60 returns: negative where falls are the larger moves; null while flat",
        formula=f"mean((r - mean(r, 60)) ** 3, 60) / std(r, 60) ** 3, {_RETURN}",
        source="Fisher (1929)",
        compute=lambda bench: _skew(bench, 60),
    ),
    _feature(
        name="return_kurtosis_60",
        lookback=61,
        meaning="Excess kurtosis of the last 60 returns: 0 for a normal distribution; null while flat",
        formula=f"mean((r - mean(r, 60)) ** 4, 60) / std(r, 60) ** 4 - 3, {_RETURN}",
        source="Fisher (1929)",
        compute=lambda bench: _kurtosis(bench, 60),
    ),
    _feature(
        name="return_autocorrelation_60",
        lookback=62,
        meaning="Correlation of each of the last 60 returns with the one before it; null while flat",
        formula=f"correl(r, r[-1], 60), {_RETURN}",
        source="TA-Lib CORREL",
        compute=lambda bench: _autocorrelation(bench, 60),
    ),
    _feature(
        name="trend_60",
        lookback=60,
        meaning="Correlation of the last 60 closes with time: 1 on a rising line; null while flat",
        formula="correl(close, bar number, 60)",
        source="TA-Lib CORREL",
        compute=lambda bench: _trend(bench, 60),
    ),
    _feature(
        name="variance_ratio_5_60",
        lookback=65,
        meaning="Variance of 5-bar returns against 5 times that of single ones, 60 bars: below 1 where moves revert",
        formula=f"std(close / close[-5] - 1, 60) ** 2 / (5 * std(r, 60) ** 2), {_RETURN}",
        source="Lo and MacKinlay (1988)",
        compute=lambda bench: _variance_ratio(bench, 5, 60),
    ),
    _feature(
        name="span_60",
        lookback=60,
        meaning="Minutes that the last 60 bars cover, against 60: above 1 where minutes are missing, or over night",
        formula="(minute - minute[-59] + 1) / 60",
        source="this project",
        compute=lambda bench: bench.span(60) / 60,
    ),
)
