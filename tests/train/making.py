"""Feature rows for training: a random walk with features of known strength, stored as the aggregator stores them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
from sqlalchemy import Engine, text

from shared.contracts.calendar import session_open, sessions
from shared.features.catalogue import MODEL_FEATURES
from shared.storage.feature_store import Batch, FeatureStore
from shared.storage.feature_tables import ROW_COLUMNS, ensure_feature_set
from shared.storage.offsets import SourcePartition
from shared.storage.postgres import transaction

FEATURE_SET = "ftest"
FEATURES = MODEL_FEATURES[:4]
DAYS = sessions(date(2025, 1, 6), date(2025, 4, 1))


def rows_of(ticker: str, seed: int, days: int = 26, minutes: int = 30, signal: float = 0.0) -> pl.DataFrame:
    """Return the first `minutes` bars of `days` sessions.

    The first feature foretells the next five minutes' return with the correlation `signal`; the others are noise. One
    value in ten is null.
    """
    rng = np.random.default_rng(seed)
    count = days * minutes
    moves = rng.normal(0, 5e-4, count)
    ahead = np.convolve(np.append(moves, np.zeros(5)), np.ones(5), "full")[5 : count + 5]
    values = rng.normal(0, 1, (len(FEATURES), count))
    values[0] = signal * ahead / ahead.std() + np.sqrt(1 - signal**2) * values[0]
    empty = rng.random(values.shape) < 0.1
    starts = [session_open(day) for day in DAYS[:days]]
    frame = pl.DataFrame(
        {
            "timestamp": pl.concat([pl.datetime_range(at, at, eager=True) for at in starts for _ in range(minutes)]),
            "minute": np.tile(np.arange(minutes), days),
            "open": 100 * np.exp(np.cumsum(moves) - moves),
            "close": 100 * np.exp(np.cumsum(moves)),
            "volume": rng.integers(1, 1000, count).astype(float),
        }
    ).with_columns(
        pl.col("timestamp") + pl.duration(minutes=pl.col("minute")),
        ticker=pl.lit(ticker),
        session=pl.lit("regular"),
        simulated=pl.lit(ticker.startswith("SIM.")),
    )
    features = [
        pl.Series(name, np.where(hole, np.nan, row).astype(np.float32)).fill_nan(None)
        for name, row, hole in zip(FEATURES, values, empty, strict=True)
    ]
    return (
        frame.with_columns(*features, as_of=pl.col("timestamp") + pl.duration(minutes=1))
        .select(*ROW_COLUMNS, *FEATURES)
        .cast(dict(ROW_COLUMNS))
    )


def store_rows(engine: Engine, frames: Sequence[pl.DataFrame]) -> None:
    """Provision the feature set, and store rows under it; their tickers become active."""
    batch = Batch(SourcePartition("h_alpaca", "test-topic", 0), 0, 0, 1, datetime(2026, 1, 1, tzinfo=UTC))
    store = FeatureStore(FEATURE_SET, FEATURES)
    with transaction(engine) as connection:
        ensure_feature_set(connection, FEATURE_SET, FEATURES)
        opened = store.open_batch(connection, batch)
        for frame in frames:
            store.append(connection, frame, opened)
            connection.execute(
                text("INSERT INTO tickers (ticker) VALUES (:t) ON CONFLICT DO NOTHING"), {"t": frame["ticker"][0]}
            )
