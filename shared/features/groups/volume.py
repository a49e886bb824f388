"""Volume: how much is traded, against what is usual, and on which side."""

from functools import partial
from typing import Final

import numpy as np
import talib

from shared.features.arrays import Floats
from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.minute_volume import SESSIONS, usual_volume
from shared.features.rolling import returns, volume_sum

_feature = partial(Feature, group=Group.VOLUME, timeframe="1m", smoothing=0, scale_free=True)


def _dollars(bench: Bench) -> Floats:
    """Return typical price times volume."""
    typical = (bench.high + bench.low + bench.close) / 3
    return bench.cached("dollars", lambda: typical * bench.volume)


def _vwap(bench: Bench, bars: int) -> Floats:
    return bench.cached(f"vwap {bars}", lambda: talib.SUM(_dollars(bench), bars) / volume_sum(bench, bars))


def _balance(bench: Bench, bars: int) -> Floats:
    """Return the volume of rising bars less that of falling ones, as a share of all."""
    signed = np.sign(returns(bench)) * bench.volume
    return talib.SUM(signed, bars) / volume_sum(bench, bars)


def _money_flow(bench: Bench, bars: int) -> Floats:
    width = bench.high - bench.low
    place = np.where(width > 0, ((bench.close - bench.low) - (bench.high - bench.close)) / width, 0.0)
    return talib.SUM(place * bench.volume, bars) / volume_sum(bench, bars)


def _trades(bench: Bench, bars: int) -> Floats:
    """Return the number of trades of the last bars; NaN where one of the bars does not tell it."""
    told = np.isfinite(bench.trade_count)
    total = talib.SUM(np.where(told, bench.trade_count, 0.0), bars)
    complete = talib.SUM(told.astype(np.float64), bars) == bars
    return np.where(complete & (talib.MAX(np.where(told, bench.trade_count, 0.0), bars) > 0), total, np.nan)


FEATURES: Final[tuple[Feature, ...]] = (
    _feature(
        name="volume_sma_20",
        lookback=20,
        scale_free=False,
        meaning="Mean volume of 20 bars, shares",
        formula="mean(volume, 20)",
        source="TA-Lib SMA",
        compute=lambda bench: talib.SMA(bench.volume, 20),
    ),
    _feature(
        name="vwap_60",
        lookback=60,
        scale_free=False,
        meaning="Volume-weighted mean price of 60 bars, dollars; null while nothing is traded",
        formula="sum(p * volume, 60) / sum(volume, 60), p = (high + low + close) / 3",
        source="Berkowitz, Logue and Noser (1988)",
        compute=lambda bench: _vwap(bench, 60),
    ),
    _feature(
        name="volume_to_usual",
        timeframe="session",
        lookback=SESSIONS + 1,
        meaning="Volume against the median of the same minute over the last 20 sessions, same feed; null with under "
        "10 values or a median of 0",
        formula="volume / median(volume of the minute as long after the open, 20 sessions)",
        source="this project",
        compute=lambda bench: bench.volume / usual_volume(bench),
    ),
    _feature(
        name="volume_ratio_20",
        lookback=20,
        meaning="Volume against its mean of 20 bars; null while nothing is traded",
        formula="volume / mean(volume, 20)",
        source="TA-Lib SUM",
        compute=lambda bench: 20 * bench.volume / volume_sum(bench, 20),
    ),
    _feature(
        name="volume_balance_20",
        lookback=21,
        meaning="Volume of rising bars less that of falling ones, as a share of all: on-balance volume without its sum",
        formula="sum(sign(close - close[-1]) * volume, 20) / sum(volume, 20)",
        source="Granville, New Key to Stock Market Profits (1963)",
        compute=lambda bench: _balance(bench, 20),
    ),
    _feature(
        name="cmf_20",
        lookback=20,
        meaning="Chaikin money flow: volume by where the close lies in the bar, -1 to 1",
        formula="sum(volume * (2 * close - low - high) / (high - low), 20) / sum(volume, 20)",
        source="Chaikin; compare TA-Lib AD",
        compute=lambda bench: _money_flow(bench, 20),
    ),
    _feature(
        name="mfi_14",
        lookback=15,
        meaning="Money flow index of 14 bars: share of money in rising typical prices, 0 to 100",
        formula="100 * sum(p * volume where p > p[-1], 14) / sum(p * volume where p != p[-1], 14)",
        source="Quong and Soudack (1989); TA-Lib MFI",
        compute=lambda bench: talib.MFI(bench.high, bench.low, bench.close, bench.volume, 14),
    ),
    _feature(
        name="vwap_60_distance",
        lookback=60,
        meaning="How far the close stands above the volume-weighted mean price of 60 bars, as a share of that",
        formula="close / vwap_60 - 1",
        source="Berkowitz, Logue and Noser (1988)",
        compute=lambda bench: bench.close / _vwap(bench, 60) - 1,
    ),
    _feature(
        name="bar_vwap_distance",
        lookback=1,
        meaning="How far the close stands above the bar's own vwap, as a share; null where the source has none",
        formula="close / vwap - 1",
        source="Berkowitz, Logue and Noser (1988)",
        compute=lambda bench: bench.close / bench.vwap - 1,
    ),
    _feature(
        name="trade_size_ratio_60",
        lookback=60,
        meaning="Shares a trade against those of 60 bars; null where the source does not count trades",
        formula="(volume / trade_count) / (sum(volume, 60) / sum(trade_count, 60))",
        source="this project",
        compute=lambda bench: bench.volume / bench.trade_count * _trades(bench, 60) / volume_sum(bench, 60),
    ),
)
