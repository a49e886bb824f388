"""Feature rows for tests: a small feature set, and frames that are made from a seed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import Engine

from shared.contracts.bars import INSTANT
from shared.storage.batches import Appended, Batch
from shared.storage.feature_store import FeatureStore
from shared.storage.feature_tables import ROW_COLUMNS, ensure_feature_set
from shared.storage.offsets import SourcePartition
from shared.storage.postgres import transaction

SET = "ftest"
NAMES = tuple(f"x{number}" for number in range(7))
MONDAY = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MADE_AT = datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SOURCE = SourcePartition("h_alpaca", "id-of-topic", 3)
BATCH = Batch(SOURCE, 10, 12, epoch=1, made_at=MADE_AT)
STORE = FeatureStore(SET, NAMES)


def provisioned(engine: Engine) -> None:
    with transaction(engine) as connection:
        ensure_feature_set(connection, SET, NAMES)


def rows(
    ticker: str = "AAPL", minutes: range = range(5), seed: int = 0, names: tuple[str, ...] = NAMES, **changes: Any
) -> pl.DataFrame:
    """Rows of a ticker, a fifth of their features null, equal for equal arguments."""
    random = np.random.default_rng([seed, minutes.start])
    stamps = [MONDAY + minute * MINUTE for minute in minutes]
    features = random.standard_normal((len(minutes), len(names))).astype(np.float32)
    features[random.random(features.shape) < 0.2] = np.nan
    plain = {
        "ticker": [ticker] * len(minutes),
        "timestamp": stamps,
        "as_of": [stamp + MINUTE for stamp in stamps],
        "open": random.uniform(1, 100, len(minutes)),
        "close": random.uniform(1, 100, len(minutes)),
        "volume": random.integers(0, 1000, len(minutes)).astype(float),
        "session": ["regular" if minute % 7 else "extended" for minute in minutes],
        "simulated": [ticker.startswith("SIM.")] * len(minutes),
    }
    frame = pl.DataFrame(plain, schema=ROW_COLUMNS)
    values = pl.DataFrame(features, schema=dict.fromkeys(names, pl.Float32)).fill_nan(None)
    return pl.concat([frame, values], how="horizontal").with_columns(**{k: pl.lit(v) for k, v in changes.items()})


def known_later(frame: pl.DataFrame, by: timedelta = timedelta(hours=1)) -> pl.DataFrame:
    """The same rows as made with later knowledge."""
    return frame.with_columns(as_of=(pl.col("as_of") + by).cast(INSTANT))


def append(engine: Engine, *frames: pl.DataFrame, batch: Batch = BATCH, store: FeatureStore = STORE) -> list[Appended]:
    """Append each frame in one transaction of one batch."""
    with transaction(engine) as connection:
        opened = store.open_batch(connection, batch)
        return [store.append(connection, frame, opened) for frame in frames]
