"""Rows for tests: returns with a predictable part of known strength, on the exchange's real sessions."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from shared.contracts.calendar import session_open, sessions
from shared.modelling.request import TrainingRequest

MINUTE = 60_000_000
FIRST = date(2023, 1, 3)
NOISE_FEATURES = 5
FEATURES = ("signal", *(f"noise_{n}" for n in range(NOISE_FEATURES)), "step")


def times(session_count: int, minutes: int, first: date = FIRST) -> np.ndarray:
    """Bar starts of the first `minutes` minutes of each session, microseconds since 1970."""
    days = sessions(first, date(2035, 12, 31))[:session_count]
    opens = np.array([int(session_open(day).timestamp()) * 1_000_000 for day in days])
    return (opens[:, None] + np.arange(minutes) * MINUTE).ravel()


def planted_rows(seed: int, session_count: int, minutes: int, coefficient: float, nulls: float = 0.02) -> pl.DataFrame:
    """Rows whose next minute's return correlates with the feature `signal` by `coefficient`; the rest is noise.

    Volatility differs by session, tails are fat, two noise features are slow, `step` is constant for ten sessions: what
    tempts a model to learn sessions by heart.
    """
    random = np.random.default_rng(seed)
    count = session_count * minutes
    volatility = np.repeat(3e-4 * np.exp(0.35 * random.standard_normal(session_count)), minutes)
    signal = random.standard_normal(count)
    noise = random.standard_t(6, count) / np.sqrt(1.5)
    following = volatility * (coefficient * signal + np.sqrt(1 - coefficient**2) * noise)
    returns = np.concatenate([[0.0], following[:-1]])
    closes = 100 * np.exp(np.cumsum(returns))
    columns = {"signal": signal}
    for number in range(NOISE_FEATURES):
        values = random.standard_normal(count)
        columns[f"noise_{number}"] = np.cumsum(values) / 30 if number >= 3 else values
    columns["step"] = np.repeat(random.standard_normal(session_count // 10 + 1), 10 * minutes)[:count]
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(times(session_count, minutes)).cast(pl.Datetime("us", "UTC")),
            "open": np.concatenate([[100.0], closes[:-1]]),
            "close": closes,
            "volume": np.full(count, 100.0),
            "simulated": np.full(count, True),
        }
    )
    holes = random.random((count, len(columns))) < nulls
    return frame.with_columns(
        pl.Series(name, np.where(holes[:, place], np.nan, values), dtype=pl.Float32).fill_nan(None)
        for place, (name, values) in enumerate(columns.items())
    )


MOMENTUM_WINDOW = 10
MOMENTUM_FEATURES = ("past_2", "past_5", "past_10", "past_20", "past_60", "noise_0", "noise_1", "step")


def momentum_rows(seed: int, session_count: int, coefficient: float) -> pl.DataFrame:
    """Rows of full sessions whose minute return follows the sum of the ten before it, r = w * sum + e.

    To first order in w the past ten minutes' return has the correlation 5 w (1 - 2 / 10) sqrt(10 / 5) with the next
    five minutes': each of these five returns is w times a window that still holds 10, 9, .. 6 of the ten.
    """
    random = np.random.default_rng(seed)
    weight = coefficient / (5 * (1 - 2 / MOMENTUM_WINDOW) * np.sqrt(2))
    volatility = 3e-4 * np.exp(0.35 * random.standard_normal((session_count, 1)))
    returns = volatility * random.standard_t(6, (session_count, 390)) / np.sqrt(1.5)
    for minute in range(MOMENTUM_WINDOW, 390):
        returns[:, minute] += weight * returns[:, minute - MOMENTUM_WINDOW : minute].sum(axis=1)
    within = np.concatenate([np.zeros((session_count, 1)), np.cumsum(returns, axis=1)], axis=1)
    columns = {}
    for window in (2, 5, 10, 20, 60):
        past = np.full((session_count, 390), np.nan)
        past[:, window - 1 :] = within[:, window:] - within[:, :-window]
        columns[f"past_{window}"] = past.ravel()
    closes = 100 * np.exp(np.cumsum(returns.ravel()))
    columns |= {f"noise_{n}": random.standard_normal(closes.size) for n in range(2)}
    columns["step"] = np.repeat(random.standard_normal(session_count // 10 + 1), 3900)[: closes.size]
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(times(session_count, 390)).cast(pl.Datetime("us", "UTC")),
            "close": closes,
            "volume": np.full(closes.size, 100.0),
            "simulated": np.full(closes.size, True),
        }
    )
    return frame.with_columns(
        pl.Series(name, values, dtype=pl.Float32).fill_nan(None) for name, values in columns.items()
    )


def shuffled_by_session(rows: pl.DataFrame, minutes: int, seed: int) -> pl.DataFrame:
    """The same features beside the prices of other sessions."""
    prices = rows.select("open", "close", "volume")
    order = np.random.default_rng(seed).permutation(rows.height // minutes)
    places = (order[:, None] * minutes + np.arange(minutes)).ravel()
    return rows.with_columns(prices[places])


def request(ticker: str = "SIM.TEST", features: tuple[str, ...] = FEATURES, **more: Any) -> TrainingRequest:
    """What is to be trained from such rows."""
    return TrainingRequest(ticker, "f0", features, **more)
