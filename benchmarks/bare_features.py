"""The bare loop: every column of the catalogue by TA-Lib and polars, each indicator once, as for a notebook.

It makes a week from the same bars as ours does, start-up included. It knows nothing of late or corrected bars, splits,
feeds, half-filled look-backs, revised vintages or restated filings, and takes the slow facts as one table made before.
"""

from datetime import timedelta
from math import log
from typing import Any

import numpy as np
import polars as pl
import talib

from shared.contracts.calendar import session_close, session_open, sessions
from shared.contracts.weeks import IsoWeek
from shared.features.bench import START_UP_BARS
from shared.features.catalogue import NAMES, START_UP_WEEKS

Columns = dict[str, Any]
MINUTE = timedelta(minutes=1)


def bare_week(bars: pl.DataFrame, slow: pl.DataFrame, week: IsoWeek) -> pl.DataFrame:
    """Return the week's rows: timestamp, and a Float32 column a feature.

    Args:
        bars: One version a bar, sorted.
        slow: By `known_at`: the columns of macro, filings and actions as they stood, from `bare_context.slow_table`.
        week: Which week.
    """
    anchor = week.start - timedelta(weeks=START_UP_WEEKS)
    history = bars.filter(pl.col("timestamp").is_between(anchor, week.end, closed="left"))
    rows = history.filter(pl.col("timestamp") >= week.start).height
    minute = history.slice(max(0, history.height - rows - START_UP_BARS))
    columns = minute_columns(minute)
    frame = minute.with_columns(end=pl.col("timestamp") + MINUTE, **{k: pl.Series(v) for k, v in columns.items()})
    frame = frame.join(usual_volume(history), on="timestamp", how="left", maintain_order="left")
    for timeframe in ("5m", "15m", "60m"):
        frame = frame.join_asof(higher(history, timeframe), on="end")
    frame = in_session(frame.join_asof(by_session(history), on="end")).join_asof(slow, on="known_at")
    return (
        frame.tail(rows)
        .select("timestamp", *later(), *(pl.col(name) for name in NAMES if name not in LATER))
        .select("timestamp", pl.col(NAMES).cast(pl.Float32).fill_nan(None))
    )


def minute_columns(minute: pl.DataFrame) -> Columns:
    o, h, l, c, v = (minute[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))  # noqa: E741
    with np.errstate(all="ignore"):
        return prices(o, h, l, c) | volumes(minute, h, l, c, v) | returns(minute, o, h, l, c)


def bare_minute_week(bars: pl.DataFrame, week: IsoWeek) -> pl.DataFrame:
    """Return the columns of `minute_columns` only: TA-Lib and numpy, and nothing but."""
    known = bars.filter(pl.col("timestamp") < week.end)
    rows = known.filter(pl.col("timestamp") >= week.start).height
    minute = known.tail(rows + START_UP_BARS)
    columns = {name: pl.Series(values[-rows:]) for name, values in minute_columns(minute).items()}
    return (
        minute.tail(rows)
        .select("timestamp")
        .with_columns(**columns)
        .with_columns(pl.exclude("timestamp").cast(pl.Float32).fill_nan(None))
    )


def prices(o: Any, h: Any, l: Any, c: Any) -> Columns:  # noqa: E741
    upper, sma_20, lower = talib.BBANDS(c, 20, 2, 2)
    ema_20 = talib.EMA(c, 20)
    macd, _, hist = talib.MACD(c, 12, 26, 9)
    atr = talib.ATR(h, l, c, 14)
    rsi = talib.RSI(c, 14)
    rsi_low, rsi_high = talib.MINMAX(rsi, 14)
    return {
        "sma_20": sma_20,
        "ema_20": ema_20,
        **{f"sma_{n}_distance": c / talib.SMA(c, n) - 1 for n in (10, 50, 200)},
        "ema_20_distance": c / ema_20 - 1,
        "bb_upper_20": upper,
        "bb_lower_20": lower,
        "bb_percent_b_20": (c - lower) / (upper - lower),
        "bb_width_20": (upper - lower) / sma_20,
        "rsi_7": talib.RSI(c, 7),
        "rsi_14": rsi,
        "stochrsi_14": 100 * (rsi - rsi_low) / (rsi_high - rsi_low),
        "macd": macd,
        "macd_to_close": macd / c,
        "macd_hist_to_close": hist / c,
        "atr_14": atr,
        "natr_14": talib.NATR(h, l, c, 14),
        "true_range_to_atr_14": talib.TRANGE(h, l, c) / atr,
        "stochf_k_14": talib.STOCHF(h, l, c, 14, 3)[0],
        "stoch_d_14": talib.STOCH(h, l, c, 14, 3, 0, 3, 0)[1],
        "willr_60": talib.WILLR(h, l, c, 60),
        "cci_20": talib.CCI(h, l, c, 20),
        "bop": talib.BOP(o, h, l, c),
        "adx_14": talib.ADX(h, l, c, 14),
        "direction_14": talib.PLUS_DI(h, l, c, 14) - talib.MINUS_DI(h, l, c, 14),
    }


def volumes(minute: pl.DataFrame, h: Any, l: Any, c: Any, v: Any) -> Columns:  # noqa: E741
    sum_20, sum_60 = talib.SUM(v, 20), talib.SUM(v, 60)
    vwap = talib.SUM((h + l + c) / 3 * v, 60) / sum_60
    width = h - l
    flow = np.where(width > 0, (2 * c - l - h) / width, 0.0) * v
    trades = minute["trade_count"].cast(pl.Float64).to_numpy()
    return {
        "volume_sma_20": sum_20 / 20,
        "vwap_60": vwap,
        "volume_ratio_20": 20 * v / sum_20,
        "volume_balance_20": talib.SUM(np.sign(talib.MOM(c, 1)) * v, 20) / sum_20,
        "cmf_20": talib.SUM(flow, 20) / sum_20,
        "mfi_14": talib.MFI(h, l, c, v, 14),
        "vwap_60_distance": c / vwap - 1,
        "bar_vwap_distance": c / minute["vwap"].to_numpy() - 1,
        "trade_size_ratio_60": v / trades * talib.SUM(trades, 60) / sum_60,
    }


def returns(minute: pl.DataFrame, o: Any, h: Any, l: Any, c: Any) -> Columns:  # noqa: E741
    r = talib.ROCP(c, 1)
    mean, std = talib.SMA(r, 60), talib.STDDEV(r, 60)
    square, cube = r * r, r * r * r
    second, third = talib.SMA(square, 60), talib.SMA(cube, 60)
    fourth = talib.SMA(square * square, 60)
    change = talib.MOM(c, 1)
    before = np.concatenate(([np.nan], change[:-1]))
    covariance = talib.SMA(change * before, 60) - talib.SMA(change, 60) * talib.SMA(before, 60)
    spread = 2 * (h - l) / (h + l)
    number = (minute["timestamp"].to_physical().to_numpy() // 60_000_000).astype(np.float64)
    return {
        "rocp_1": r,
        **{f"rocp_{n}": talib.ROCP(c, n) for n in (5, 15, 60, 390)},
        "return_std_20": talib.STDDEV(r, 20),
        "return_std_60": std,
        "return_std_390": talib.STDDEV(r, 390),
        "return_skew_60": (third - 3 * mean * second + 2 * mean**3) / std**3,
        "return_kurtosis_60": (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / std**4 - 3,
        "return_autocorrelation_60": talib.CORREL(r, np.concatenate(([np.nan], r[:-1])), 60),
        "trend_60": talib.CORREL(c, np.arange(len(c), dtype=np.float64), 60),
        "variance_ratio_5_60": talib.VAR(talib.ROCP(c, 5), 60) / (5 * std * std),
        "span_60": (number - np.concatenate((np.full(59, np.nan), number[:-59])) + 1) / 60,
        "drawdown_60": c / talib.MAX(c, 60) - 1,
        "recovery_60": c / talib.MIN(c, 60) - 1,
        "downside_deviation_60": np.sqrt(talib.SMA(np.minimum(r, 0) ** 2, 60)),
        "return_to_risk_60": mean / std,
        "worst_return_60": talib.MIN(r, 60),
        "parkinson_60": np.sqrt(talib.SMA(spread * spread, 60) / (4 * log(2))),
        "roll_spread_60": 2 * np.sqrt(np.maximum(-covariance, 0)) / c,
        "gap": o / np.concatenate(([np.nan], c[:-1])) - 1,
        "efficiency_60": np.abs(talib.MOM(c, 60)) / talib.SUM(np.abs(change), 60),
        "volatility_30_to_240": talib.STDDEV(r, 30) / talib.STDDEV(r, 240),
    }


def usual_volume(history: pl.DataFrame) -> pl.DataFrame:
    clock = pl.col("timestamp").dt.convert_time_zone("America/New_York").dt.time()
    usual = pl.col("volume").rolling_median(20).shift(1).over(clock)
    return history.select("timestamp", volume_to_usual=pl.col("volume") / usual)


def higher(history: pl.DataFrame, timeframe: str) -> pl.DataFrame:
    bars = history.group_by_dynamic("timestamp", every=timeframe).agg(
        pl.col("high").max(), pl.col("low").min(), pl.col("close").last()
    )
    close = bars["close"].to_numpy()
    bars = bars.select(end=pl.col("timestamp").dt.offset_by(timeframe), high="high", low="low")
    span = 7 if timeframe == "60m" else 14
    columns = {
        f"rsi_{span}_{timeframe}": talib.RSI(close, span),
        f"ema_4_to_12_{timeframe}": talib.EMA(close, 4) / talib.EMA(close, 12) - 1,
    }
    if timeframe != "5m":
        columns[f"low_{timeframe}"] = talib.MIN(bars["low"].to_numpy(), 14)
        columns[f"high_{timeframe}"] = talib.MAX(bars["high"].to_numpy(), 14)
    return bars.select("end", **{name: pl.Series(values) for name, values in columns.items()})


def by_session(history: pl.DataFrame) -> pl.DataFrame:
    bars = history.group_by_dynamic("timestamp", every="1d").agg(
        pl.col("high").max(), pl.col("low").min(), pl.col("close").last(), end=pl.col("timestamp").last() + MINUTE
    )
    ranges = pl.col("high") / pl.col("low")
    return bars.select(
        "end",
        previous_close="close",
        return_1_session=pl.col("close").pct_change(1),
        return_5_sessions=pl.col("close").pct_change(5),
        range_rank_20_sessions=ranges.rolling_rank(20, method="max") / 20,
    )


def in_session(frame: pl.DataFrame) -> pl.DataFrame:
    day = frame["timestamp"].dt.date()
    days = sessions(day[0] - timedelta(days=7), day[-1])
    table = pl.DataFrame(
        {"day": days, "opens": [session_open(d) for d in days], "closes": [session_close(d) for d in days]}
    ).with_columns(days_since_session=pl.col("day").diff().dt.total_days(), weekday=pl.col("day").dt.weekday() - 1)
    frame = frame.with_columns(day=day).join(table, on="day", how="left", maintain_order="left")
    money = (pl.col("high") + pl.col("low") + pl.col("close")) / 3 * pl.col("volume")
    return frame.with_columns(
        minute=(pl.col("end") - pl.col("opens")).dt.total_minutes(),
        length=(pl.col("closes") - pl.col("opens")).dt.total_minutes(),
        first=pl.col("open").first().over("day"),
        day_low=pl.col("low").cum_min().over("day"),
        day_high=pl.col("high").cum_max().over("day"),
        day_vwap=money.cum_sum().over("day") / pl.col("volume").cum_sum().over("day"),
        opening_close=pl.col("previous_close").first().over("day"),
    )


def later() -> list[pl.Expr]:
    """Return what is made of joined columns."""
    low, high, close = pl.col("day_low"), pl.col("day_high"), pl.col("close")
    positions = [
        ((close - pl.col(f"low_{t}")) / (pl.col(f"high_{t}") - pl.col(f"low_{t}"))).alias(f"range_position_14_{t}")
        for t in ("15m", "60m")
    ]
    days = [
        ((pl.col(f"{what}_at") - pl.col("end")).dt.total_minutes() * sign / 1440).alias(what)
        for what, sign in (
            ("days_to_dividend", 1),
            ("days_since_dividend", -1),
            ("days_to_split", 1),
            ("days_since_split", -1),
        )
    ]
    return [
        *positions,
        *days,
        (pl.col("minute") / pl.col("length")).alias("session_elapsed"),
        (pl.col("length") - pl.col("minute")).alias("minutes_to_close"),
        (pl.col("length") < 390).cast(pl.Float64).alias("half_day"),
        (pl.col("first") / pl.col("opening_close") - 1).alias("overnight_gap"),
        (close / pl.col("first") - 1).alias("return_since_open"),
        ((close - low) / (high - low)).alias("session_range_position"),
        (close / pl.col("day_vwap") - 1).alias("session_vwap_distance"),
        ((pl.col("known_at") - pl.col("filed")).dt.total_seconds() / 86_400).alias("filing_age_days"),
    ]


LATER = {expression.meta.output_name() for expression in later()}
