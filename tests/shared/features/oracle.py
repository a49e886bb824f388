"""Every minute feature once more, as plainly as it can be said: whole windows in numpy, pandas for recursive means.

It shares nothing with the code that it judges, not even TA-Lib. Each function takes a frame of bars (pandas, one row a
bar) and returns one value a row, NaN where there is none.
"""

from collections.abc import Callable
from math import log

import numpy as np
import pandas as pd

Frame = pd.DataFrame
Values = np.ndarray


def windows(values: Values, bars: int) -> Values:
    """Row i holds the values of bars i - bars + 1 .. i; NaN before there are so many."""
    padded = np.concatenate((np.full(bars - 1, np.nan), np.asarray(values, float)))
    return np.lib.stride_tricks.sliding_window_view(padded, bars)


def earlier(values: Values, bars: int) -> Values:
    return pd.Series(values).shift(bars).to_numpy()


def mean(values: Values, bars: int) -> Values:
    return windows(values, bars).mean(axis=1)


def total(values: Values, bars: int) -> Values:
    return windows(values, bars).sum(axis=1)


def std(values: Values, bars: int) -> Values:
    return windows(values, bars).std(axis=1)


def high_of(values: Values, bars: int) -> Values:
    return windows(values, bars).max(axis=1)


def low_of(values: Values, bars: int) -> Values:
    return windows(values, bars).min(axis=1)


def ema(values: Values, span: int) -> Values:
    return pd.Series(values).ewm(span=span, adjust=False).mean().to_numpy()


def wilder(values: Values, bars: int) -> Values:
    return pd.Series(values).ewm(alpha=1 / bars, adjust=False).mean().to_numpy()


def returns(f: Frame) -> Values:
    return f.close.pct_change().to_numpy()


def rsi(f: Frame, bars: int) -> Values:
    moves = f.close.diff().to_numpy()
    rises, falls = wilder(np.maximum(moves, 0), bars), wilder(np.maximum(-moves, 0), bars)
    return 100 * rises / (rises + falls)


def place_in_range(values: Values, bars: int) -> Values:
    span = high_of(values, bars) - low_of(values, bars)
    return 100 * (values - low_of(values, bars)) / span


def macd(f: Frame) -> Values:
    return ema(f.close, 12) - ema(f.close, 26)


def true_range(f: Frame) -> Values:
    before = f.close.shift()
    return (np.maximum(f.high, before) - np.minimum(f.low, before)).to_numpy()


def fast_k(f: Frame, bars: int) -> Values:
    top, bottom = high_of(f.high, bars), low_of(f.low, bars)
    return np.where(top > bottom, 100 * (f.close - bottom) / (top - bottom), 0.0)


def typical(f: Frame) -> Values:
    return ((f.high + f.low + f.close) / 3).to_numpy()


def vwap(f: Frame, bars: int) -> Values:
    return total(typical(f) * f.volume, bars) / total(f.volume, bars)


def usual_volume(f: Frame) -> Values:
    """The median of the same minute after the open over the 20 sessions before, of the same feed, of at least 10."""
    known: dict[int, list[tuple[int, object, float]]] = {}
    days = {day: number for number, day in enumerate(dict.fromkeys(f.day))}
    result = []
    for day, minute, feed, volume in zip(f.day, f.minute, f.feed, f.volume, strict=True):
        number = days[day]
        same = [v for n, fd, v in known.get(minute, []) if number - 20 <= n < number and fd == feed]
        enough = number >= 20 and len(same) >= 10
        result.append(float(np.median(same)) if enough else np.nan)
        known.setdefault(minute, []).append((number, feed, volume))
    return np.array(result)


def money_flow_index(f: Frame, bars: int) -> Values:
    price = typical(f)
    flow, move = price * f.volume.to_numpy(), np.diff(price, prepend=np.nan)
    move = move.round(9)  # equal sums of cents, added in another order, are not a move
    rising = total(np.where(move > 0, flow, 0.0), bars)
    falling = total(np.where(move < 0, flow, 0.0), bars)
    return 100 * rising / (rising + falling)


def chaikin(f: Frame, bars: int) -> Values:
    width = (f.high - f.low).to_numpy()
    with np.errstate(all="ignore"):
        place = np.where(width > 0, (2 * f.close - f.low - f.high) / width, 0.0)
    return total(place * f.volume, bars) / total(f.volume, bars)


def cci(f: Frame, bars: int) -> Values:
    shown = windows(typical(f), bars)
    centre = shown.mean(axis=1)
    return (typical(f) - centre) / (0.015 * np.abs(shown - centre[:, None]).mean(axis=1))


def moment(f: Frame, power: int, bars: int) -> Values:
    shown = windows(returns(f), bars)
    central = shown - shown.mean(axis=1, keepdims=True)
    return (central**power).mean(axis=1) / shown.std(axis=1) ** power


def correlation(first: Values, second: Values, bars: int) -> Values:
    a, b = windows(first, bars), windows(second, bars)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))


def trade_size(f: Frame) -> Values:
    return f.volume / f.trade_count / (total(f.volume, 60) / total(f.trade_count, 60))


def roll_spread(f: Frame) -> Values:
    change = f.close.diff().to_numpy()
    a, b = windows(change, 60), windows(earlier(change, 1), 60)
    covariance = ((a - a.mean(axis=1, keepdims=True)) * (b - b.mean(axis=1, keepdims=True))).mean(axis=1)
    return 2 * np.sqrt(np.maximum(0, -covariance)) / f.close


def parkinson(f: Frame) -> Values:
    return np.sqrt(mean(np.log(f.high / f.low) ** 2, 60) / (4 * log(2)))


ORACLE: dict[str, Callable[[Frame], Values]] = {
    "sma_20": lambda f: mean(f.close, 20),
    "ema_20": lambda f: ema(f.close, 20),
    "sma_10_distance": lambda f: f.close / mean(f.close, 10) - 1,
    "sma_50_distance": lambda f: f.close / mean(f.close, 50) - 1,
    "sma_200_distance": lambda f: f.close / mean(f.close, 200) - 1,
    "ema_20_distance": lambda f: f.close / ema(f.close, 20) - 1,
    "bb_upper_20": lambda f: mean(f.close, 20) + 2 * std(f.close, 20),
    "bb_lower_20": lambda f: mean(f.close, 20) - 2 * std(f.close, 20),
    "bb_percent_b_20": lambda f: (f.close - mean(f.close, 20) + 2 * std(f.close, 20)) / (4 * std(f.close, 20)),
    "bb_width_20": lambda f: 4 * std(f.close, 20) / mean(f.close, 20),
    "rsi_7": lambda f: rsi(f, 7),
    "rsi_14": lambda f: rsi(f, 14),
    "stochrsi_14": lambda f: place_in_range(rsi(f, 14), 14),
    "macd": macd,
    "macd_to_close": lambda f: macd(f) / f.close,
    "macd_hist_to_close": lambda f: (macd(f) - ema(macd(f), 9)) / f.close,
    "atr_14": lambda f: wilder(true_range(f), 14),
    "natr_14": lambda f: 100 * wilder(true_range(f), 14) / f.close,
    "true_range_to_atr_14": lambda f: true_range(f) / wilder(true_range(f), 14),
    "stochf_k_14": lambda f: fast_k(f, 14),
    "stoch_d_14": lambda f: mean(mean(fast_k(f, 14), 3), 3),
    "willr_60": lambda f: fast_k(f, 60) - 100,
    "volume_sma_20": lambda f: mean(f.volume, 20),
    "vwap_60": lambda f: vwap(f, 60),
    "volume_to_usual": lambda f: f.volume / usual_volume(f),
    "volume_ratio_20": lambda f: f.volume / mean(f.volume, 20),
    "volume_balance_20": lambda f: total(np.sign(f.close.diff()) * f.volume, 20) / total(f.volume, 20),
    "cmf_20": lambda f: chaikin(f, 20),
    "mfi_14": lambda f: money_flow_index(f, 14),
    "vwap_60_distance": lambda f: f.close / vwap(f, 60) - 1,
    "bar_vwap_distance": lambda f: f.close / f.vwap - 1,
    "trade_size_ratio_60": trade_size,
    **{f"rocp_{n}": lambda f, n=n: f.close / f.close.shift(n) - 1 for n in (1, 5, 15, 60, 390)},
    "cci_20": lambda f: cci(f, 20),
    "bop": lambda f: np.where(f.high > f.low, (f.close - f.open) / (f.high - f.low), 0.0),
    **{f"return_std_{n}": lambda f, n=n: std(returns(f), n) for n in (20, 60, 390)},
    "return_skew_60": lambda f: moment(f, 3, 60),
    "return_kurtosis_60": lambda f: moment(f, 4, 60) - 3,
    "return_autocorrelation_60": lambda f: correlation(returns(f), earlier(returns(f), 1), 60),
    "trend_60": lambda f: correlation(f.close, np.arange(len(f)), 60),
    "variance_ratio_5_60": lambda f: std(f.close / f.close.shift(5) - 1, 60) ** 2 / (5 * std(returns(f), 60) ** 2),
    "span_60": lambda f: (f.number - f.number.shift(59) + 1) / 60,
    "drawdown_60": lambda f: f.close / high_of(f.close, 60) - 1,
    "recovery_60": lambda f: f.close / low_of(f.close, 60) - 1,
    "downside_deviation_60": lambda f: np.sqrt(mean(np.minimum(returns(f), 0) ** 2, 60)),
    "return_to_risk_60": lambda f: mean(returns(f), 60) / std(returns(f), 60),
    "worst_return_60": lambda f: low_of(returns(f), 60),
    "parkinson_60": parkinson,
    "roll_spread_60": roll_spread,
    "gap": lambda f: f.open / f.close.shift() - 1,
}
