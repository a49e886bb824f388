"""Every minute feature against an oracle that was written apart, and TA-Lib's names against TA-Lib's values."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
import talib

from shared.contracts.calendar import NEW_YORK, session_open
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import CATALOGUE
from shared.features.compute import compute_week
from shared.features.context import EMPTY_CONTEXT
from shared.features.feature import Group
from tests.shared.features.making import MONDAY, minutes_of, walk
from tests.shared.features.oracle import ORACLE, Frame

MINUTE_GROUPS = (
    Group.MOVING_AVERAGES,
    Group.BOLLINGER,
    Group.RSI,
    Group.MACD,
    Group.ATR,
    Group.STOCHASTIC,
    Group.VOLUME,
    Group.MOMENTUM,
    Group.STATISTICAL,
    Group.RISK,
)
WEEK = IsoWeek(2024, 8)
FEATURES = {feature.name: feature for feature in CATALOGUE if feature.group in MINUTE_GROUPS}


@cache
def bars_of(kind: str) -> pl.DataFrame:
    if kind == "whole":
        return walk(minutes_of(MONDAY.replace(month=1, day=8), MONDAY.replace(day=23)), seed=3)
    thin = walk(minutes_of(MONDAY.replace(month=1, day=8), MONDAY.replace(day=23), extended=True), seed=4, share=0.7)
    return thin.with_columns(feed=pl.when(pl.int_range(pl.len()) % 7 == 0).then(pl.lit("iex")).otherwise(pl.lit("sip")))


@cache
def computed(kind: str) -> pl.DataFrame:
    return compute_week(bars_of(kind), EMPTY_CONTEXT, WEEK)


@cache
def plain(kind: str) -> Frame:
    bars = bars_of(kind).to_pandas()
    local = bars.timestamp.dt.tz_convert(NEW_YORK)
    opens = {day: session_open(day) for day in set(local.dt.date)}
    bars["day"] = local.dt.date
    bars["number"] = bars.timestamp.astype("int64") // 60_000_000
    bars["minute"] = [(t - opens[d]).total_seconds() // 60 for t, d in zip(bars.timestamp, bars.day, strict=True)]
    bars["feed"] = bars.feed.fillna("")
    return bars


@pytest.mark.parametrize("kind", ["whole", "thin"])
@pytest.mark.parametrize("name", FEATURES)
def test_feature_on_random_bars_equals_oracle(kind: str, name: str) -> None:
    rows = computed(kind)
    with np.errstate(all="ignore"):
        expected = np.asarray(ORACLE[name](plain(kind)), float)[-rows.height :]
    expected = np.where(np.isfinite(expected), expected, np.nan)
    actual = rows[name].to_numpy()
    assert np.isfinite(actual).mean() > 0.3
    scale = np.nanstd(expected)
    np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6 * scale)


def higher(f: Frame, minutes: int, value: Callable[[Frame], pd.Series]) -> pd.Series:
    """What TA-Lib makes of the clock bars of so many minutes: at each minute, the value of the newest closed one."""
    bars = f.set_index("timestamp")[["high", "low", "close"]].resample(f"{minutes}min")
    made = bars.agg({"high": "max", "low": "min", "close": "last"}).dropna()
    known = value(made).set_axis(made.index + pd.Timedelta(minutes=minutes))
    return known.reindex(f.timestamp + pd.Timedelta(minutes=1), method="ffill").reset_index(drop=True)


def ema_4_to_12(f: Frame) -> pd.Series:
    return talib.EMA(f.close, 4) / talib.EMA(f.close, 12) - 1


def range_position_14(f: Frame, minutes: int) -> pd.Series:
    low = higher(f, minutes, lambda bars: talib.MIN(bars.low, 14))
    return (f.close - low) / (higher(f, minutes, lambda bars: talib.MAX(bars.high, 14)) - low)


def bollinger(f: Frame) -> tuple[pd.Series, pd.Series, pd.Series]:
    return talib.BBANDS(f.close, 20, 2, 2)


def returns(f: Frame) -> pd.Series:
    return talib.ROCP(f.close, 1)


def return_std(f: Frame, bars: int) -> pd.Series:
    return talib.STDDEV(returns(f), bars)


def accumulated_20(f: Frame) -> pd.Series:
    line = talib.AD(f.high, f.low, f.close, f.volume)
    return line - line.shift(20)


def direction(f: Frame) -> pd.Series:
    return talib.PLUS_DI(f.high, f.low, f.close, 14) - talib.MINUS_DI(f.high, f.low, f.close, 14)


TALIB: dict[str, Callable[[Frame], pd.Series]] = {
    "sma_20": lambda f: talib.SMA(f.close, 20),
    "ema_20": lambda f: talib.EMA(f.close, 20),
    **{f"sma_{n}_distance": lambda f, n=n: f.close / talib.SMA(f.close, n) - 1 for n in (10, 50, 200)},
    "ema_20_distance": lambda f: f.close / talib.EMA(f.close, 20) - 1,
    "bb_upper_20": lambda f: bollinger(f)[0],
    "bb_lower_20": lambda f: bollinger(f)[2],
    "bb_percent_b_20": lambda f: (f.close - bollinger(f)[2]) / (bollinger(f)[0] - bollinger(f)[2]),
    "bb_width_20": lambda f: (bollinger(f)[0] - bollinger(f)[2]) / bollinger(f)[1],
    "rsi_7": lambda f: talib.RSI(f.close, 7),
    "rsi_14": lambda f: talib.RSI(f.close, 14),
    "stochrsi_14": lambda f: talib.STOCHRSI(f.close, 14, 14, 1)[0],
    "macd": lambda f: talib.MACD(f.close, 12, 26, 9)[0],
    "macd_to_close": lambda f: talib.MACD(f.close, 12, 26, 9)[0] / f.close,
    "macd_hist_to_close": lambda f: talib.MACD(f.close, 12, 26, 9)[2] / f.close,
    "atr_14": lambda f: talib.ATR(f.high, f.low, f.close, 14),
    "natr_14": lambda f: talib.NATR(f.high, f.low, f.close, 14),
    "true_range_to_atr_14": lambda f: talib.TRANGE(f.high, f.low, f.close) / talib.ATR(f.high, f.low, f.close, 14),
    "stochf_k_14": lambda f: talib.STOCHF(f.high, f.low, f.close, 14, 3)[0],
    "stoch_d_14": lambda f: talib.STOCH(f.high, f.low, f.close, 14, 3, 0, 3, 0)[1],
    "willr_60": lambda f: talib.WILLR(f.high, f.low, f.close, 60),
    "volume_sma_20": lambda f: talib.SMA(f.volume, 20),
    "volume_ratio_20": lambda f: 20 * f.volume / talib.SUM(f.volume, 20),
    "cmf_20": lambda f: accumulated_20(f) / talib.SUM(f.volume, 20),
    "mfi_14": lambda f: talib.MFI(f.high, f.low, f.close, f.volume, 14),
    **{f"rocp_{n}": lambda f, n=n: talib.ROCP(f.close, n) for n in (1, 5, 15, 60, 390)},
    "cci_20": lambda f: talib.CCI(f.high, f.low, f.close, 20),
    "bop": lambda f: talib.BOP(f.open, f.high, f.low, f.close),
    **{f"return_std_{n}": lambda f, n=n: return_std(f, n) for n in (20, 60, 390)},
    "return_autocorrelation_60": lambda f: talib.CORREL(returns(f), returns(f).shift(), 60),
    "trend_60": lambda f: talib.CORREL(f.close, pd.Series(np.arange(len(f), dtype=float)), 60),
    "drawdown_60": lambda f: f.close / talib.MAX(f.close, 60) - 1,
    "recovery_60": lambda f: f.close / talib.MIN(f.close, 60) - 1,
    "worst_return_60": lambda f: talib.MIN(returns(f), 60),
    "adx_14": lambda f: talib.ADX(f.high, f.low, f.close, 14),
    "direction_14": direction,
    "volatility_30_to_240": lambda f: return_std(f, 30) / return_std(f, 240),
    "rsi_14_5m": lambda f: higher(f, 5, lambda bars: talib.RSI(bars.close, 14)),
    "rsi_14_15m": lambda f: higher(f, 15, lambda bars: talib.RSI(bars.close, 14)),
    "rsi_7_60m": lambda f: higher(f, 60, lambda bars: talib.RSI(bars.close, 7)),
    **{f"ema_4_to_12_{n}m": lambda f, n=n: higher(f, n, ema_4_to_12) for n in (5, 15, 60)},
    **{f"range_position_14_{n}m": lambda f, n=n: range_position_14(f, n) for n in (15, 60)},
}


@pytest.mark.parametrize("kind", ["whole", "thin"])
@pytest.mark.parametrize("name", TALIB)
def test_feature_with_talib_name_equals_talib_over_all_bars(kind: str, name: str) -> None:
    rows = computed(kind)
    expected = np.asarray(TALIB[name](plain(kind)), float)[-rows.height :]
    assert np.isfinite(rows[name].to_numpy()).mean() > 0.9
    np.testing.assert_allclose(rows[name].to_numpy(), expected, rtol=2e-6, atol=2e-6 * np.nanstd(expected))


def test_catalogue_every_feature_that_names_talib_is_compared_with_it() -> None:
    assert set(TALIB) == {feature.name for feature in CATALOGUE if "TA-Lib" in feature.source}


def test_catalogue_every_minute_feature_has_an_oracle() -> None:
    assert set(ORACLE) == set(FEATURES)
