"""Bars for tests: a seeded random walk on the exchange calendar, whole, thin, or with extended hours."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from shared.contracts import calendar
from shared.contracts.bars import BAR_COLUMNS, BAR_LENGTH

MONDAY = date(2024, 2, 19)  # a holiday: its week has four sessions


def minutes_of(first: date, last: date, *, extended: bool = False) -> list[datetime]:
    """The minutes of the sessions in [first, last]; with 30 minutes before and after where `extended`."""
    around = timedelta(minutes=30 if extended else 0)
    minutes = []
    for day in calendar.sessions(first, last):
        instant, end = calendar.session_open(day) - around, calendar.session_close(day) + around
        while instant < end:
            minutes.append(instant)
            instant += BAR_LENGTH
    return minutes


def walk(minutes: list[datetime], seed: int = 1, *, share: float = 1.0, ticks: float = 3.0) -> pl.DataFrame:
    """Bars in whole cents at `share` of the minutes, steps of about `ticks` cents; some bars are flat or untraded."""
    rng = np.random.default_rng(seed)
    kept = [minute for minute in minutes if rng.random() < share]
    count = len(kept)
    close = 100 + np.cumsum(rng.normal(0, ticks, count).round()) / 100
    open_ = np.concatenate(([100.0], close[:-1]))[:count] + rng.integers(-1, 2, count) / 100
    high = np.maximum(open_, close) + rng.integers(0, 4, count) / 100
    low = np.minimum(open_, close) - rng.integers(0, 4, count) / 100
    volume = np.where(rng.random(count) < 0.03, 0.0, rng.lognormal(8, 1, count).round())
    return frame_of(kept, open_, high, low, close, volume, rng)


def frame_of(
    minutes: list[datetime],
    open_: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
    rng: np.random.Generator,
) -> pl.DataFrame:
    count = len(minutes)
    told = rng.random(count) < 0.99
    return pl.DataFrame(
        {
            "ticker": ["AAPL"] * count,
            "timestamp": minutes,
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "trade_count": pl.Series(
                [int(n) if t else None for n, t in zip(rng.integers(1, 90, count), told, strict=True)], dtype=pl.Int64
            ),
            "vwap": pl.Series(
                [float(x) if t else None for x, t in zip((high + low) / 2, told, strict=True)], dtype=pl.Float64
            ),
            "known_at": [minute + BAR_LENGTH for minute in minutes],
            "known_basis": ["nominal"] * count,
            "source": ["files"] * count,
            "feed": pl.Series([None] * count, dtype=pl.String),
            "adjusted": [False] * count,
            "simulated": [False] * count,
        },
        schema=BAR_COLUMNS,
    )


def flat(minutes: list[datetime], price: float = 50.0, volume: float = 0.0) -> pl.DataFrame:
    """Bars that all say the same."""
    prices = np.full(len(minutes), price)
    return frame_of(minutes, prices, prices, prices, prices, np.full(len(minutes), volume), np.random.default_rng(0))


def bits(rows: pl.DataFrame) -> pl.DataFrame:
    """The frame with floats as their bits, so that equal means equal to the last bit."""
    for name, kind in rows.schema.items():
        if kind in (pl.Float32, pl.Float64):
            whole = np.uint32 if kind == pl.Float32 else np.uint64
            values = rows[name].to_numpy().view(whole)
            there = rows[name].is_not_null()
            rows = rows.with_columns(pl.Series(name, values).to_frame().select(pl.when(there).then(name)).to_series())
    return rows
