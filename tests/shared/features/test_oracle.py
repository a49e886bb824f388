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


TALIB: dict[str, Callable[[pd.DataFrame], np.ndarray]] = {
    "sma_20": lambda f: talib.SMA(f.close, 20),
    "ema_20": lambda f: talib.EMA(f.close, 20),
    "bb_upper_20": lambda f: talib.BBANDS(f.close, 20, 2, 2)[0],
    "bb_lower_20": lambda f: talib.BBANDS(f.close, 20, 2, 2)[2],
    "rsi_7": lambda f: talib.RSI(f.close, 7),
    "rsi_14": lambda f: talib.RSI(f.close, 14),
    "stochrsi_14": lambda f: talib.STOCHRSI(f.close, 14, 14, 1)[0],
    "macd": lambda f: talib.MACD(f.close, 12, 26, 9)[0],
    "macd_hist_to_close": lambda f: talib.MACD(f.close, 12, 26, 9)[2] / f.close,
    "atr_14": lambda f: talib.ATR(f.high, f.low, f.close, 14),
    "natr_14": lambda f: talib.NATR(f.high, f.low, f.close, 14),
    "stochf_k_14": lambda f: talib.STOCHF(f.high, f.low, f.close, 14, 3)[0],
    "stoch_d_14": lambda f: talib.STOCH(f.high, f.low, f.close, 14, 3, 0, 3, 0)[1],
    "willr_60": lambda f: talib.WILLR(f.high, f.low, f.close, 60),
    "volume_sma_20": lambda f: talib.SMA(f.volume, 20),
    "mfi_14": lambda f: talib.MFI(f.high, f.low, f.close, f.volume, 14),
    **{f"rocp_{n}": lambda f, n=n: talib.ROCP(f.close, n) for n in (1, 5, 15, 60, 390)},
    "cci_20": lambda f: talib.CCI(f.high, f.low, f.close, 20),
    "bop": lambda f: talib.BOP(f.open, f.high, f.low, f.close),
    "return_std_60": lambda f: talib.STDDEV(talib.ROCP(f.close, 1), 60),
    "trend_60": lambda f: talib.CORREL(f.close, pd.Series(np.arange(len(f), dtype=float)), 60),
}


@pytest.mark.parametrize("name", TALIB)
def test_feature_with_talib_name_equals_talib_over_all_bars(name: str) -> None:
    rows = computed("whole")
    expected = np.asarray(TALIB[name](plain("whole")), float)[-rows.height :]
    np.testing.assert_allclose(rows[name].to_numpy(), expected, rtol=2e-6, atol=2e-6 * np.nanstd(expected))


def test_catalogue_every_minute_feature_has_an_oracle() -> None:
    assert set(ORACLE) == set(FEATURES)
