"""Feature rows a second into PostgreSQL, beside a binary COPY of the same rows into the same partitions and indexes.

Tickerstream's way checks the rows, looks for older revisions, encodes, and stores offsets and lineage in the same
transaction. The bare COPY sends bytes that were encoded before; ADBC's `adbc_ingest` encodes an Arrow table that was
made before. All commit as often, with the server's durability as it is in production.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import adbc_driver_postgresql.dbapi
import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy import Engine, text

from infra.embedded.layout import Home
from infra.embedded.ports import free_port
from infra.embedded.postgres import DATABASE, USER, PostgresServer
from infra.embedded.settings import resolve_home
from infra.migrations import migrate
from shared.features.catalogue import NAMES
from shared.settings import PostgresSettings
from shared.storage.batches import Batch
from shared.storage.binary_copy import encode
from shared.storage.copying import quoted
from shared.storage.feature_store import FeatureStore
from shared.storage.feature_tables import COPIED, drop_feature_set, ensure_feature_set
from shared.storage.offsets import OffsetStore, SourcePartition
from shared.storage.postgres import make_engine, transaction

ROUNDS = 5
TICKERS, WEEKS, WEEK_ROWS = 10, 12, 1_950
NULL_SHARE = 0.1
MADE_AT = datetime(2025, 3, 1, tzinfo=UTC)
SOURCE = SourcePartition("h_alpaca", "id", 0)
SET = "fbench"


@dataclass(frozen=True)
class Load:
    """The same rows three times: as computed, as bytes of a COPY, and as an Arrow table."""

    frame: pl.DataFrame
    copied: bytes
    table: pa.Table
    columns: list[str]


def measure(rounds: int = ROUNDS) -> list[str]:
    """Return Markdown lines: each round measures all three, one after the other."""
    loads = [load_of(week) for week in range(WEEKS)]
    rows = sum(load.frame.height for load in loads)
    lines = [
        f"{rows:,} rows of {len(NAMES)} features, {NULL_SHARE:.0%} of them null; {TICKERS} ticker-weeks a COMMIT.",
        "",
    ]
    lines += ["| round | bare COPY, rows/s | adbc_ingest, rows/s | Tickerstream, rows/s | to bare COPY | to ADBC |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    ways = (bare, by_adbc, ours)
    with database() as engine:
        for number in range(rounds + 1):
            speed = {}
            for way in ways[number % 3 :] + ways[: number % 3]:
                speed[way] = rows / timed(engine, way, loads)
            if number:  # the first one warms up
                figures = " | ".join(f"{speed[way]:,.0f}" for way in ways)
                ratios = f"{speed[ours] / speed[bare]:.2f} | {speed[ours] / speed[by_adbc]:.2f}"
                lines.append(f"| {number} | {figures} | {ratios} |")
    return lines


def timed(engine: Engine, way: Callable[[Engine, list[Load]], None], loads: list[Load]) -> float:
    """Return the seconds of one way into new, empty partitions."""
    with transaction(engine) as connection:
        ensure_feature_set(connection, SET, NAMES)
        connection.execute(text("TRUNCATE source_offsets, aggregation_batches"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
    begin = time.perf_counter()
    way(engine, loads)
    seconds = time.perf_counter() - begin
    with transaction(engine) as connection:
        stored = connection.execute(text("SELECT count(*) FROM aggregated_data")).scalar_one()
        assert stored == sum(load.frame.height for load in loads), f"{stored} rows were stored"
        connection.execute(text("UPDATE feature_sets SET state = 'retired'"))
        drop_feature_set(connection, SET)
    return seconds


def ours(engine: Engine, loads: list[Load]) -> None:
    """Store as the aggregator does."""
    store, offsets = FeatureStore(SET, NAMES), OffsetStore(engine)
    claim = offsets.claim(SOURCE, 0, "benchmark")
    for load in loads:
        with transaction(engine) as connection:
            moved = offsets.advance(connection, claim, claim.next_offset + TICKERS)
            batch = Batch(SOURCE, claim.next_offset, moved.next_offset, claim.epoch, MADE_AT)
            store.append(connection, load.frame, store.open_batch(connection, batch))
        claim = moved


def bare(engine: Engine, loads: list[Load]) -> None:
    """Send bytes that were encoded before."""
    for load in loads:
        with transaction(engine) as connection, connection.connection.cursor() as cursor:
            statement = f"COPY aggregated_data ({quoted(load.columns)}) FROM STDIN (FORMAT binary)"
            cursor.copy_expert(statement, io.BytesIO(load.copied), 1 << 20)  # type: ignore[attr-defined]


def by_adbc(engine: Engine, loads: list[Load]) -> None:
    """Ingest Arrow tables that were made before."""
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with adbc_driver_postgresql.dbapi.connect(url) as connection, connection.cursor() as cursor:
        for load in loads:
            cursor.adbc_ingest("aggregated_data", load.table, mode="append")
            connection.commit()


def load_of(week: int) -> Load:
    """Return a week of each ticker."""
    random = np.random.default_rng(week)
    frame = pl.concat([rows_of(f"T{number:02d}", week, random) for number in range(TICKERS)])
    stored = frame.with_columns(
        pl.lit(MADE_AT).cast(frame.schema["timestamp"]).alias("made_at"),
        pl.lit(week, pl.Int64).alias("batch_id"),
        pl.lit(1, pl.Int32).alias("revision"),
        pl.lit(SET).alias("feature_set"),
        *(pl.lit(value=False).alias(name) for name in ("replayed", "served")),
    ).select(*COPIED, *NAMES)
    table = stored.to_arrow(compat_level=pl.CompatLevel.oldest())
    return Load(frame, b"".join(bytes(piece) for piece in encode(stored, NAMES)), table, stored.columns)


def rows_of(ticker: str, week: int, random: np.random.Generator) -> pl.DataFrame:
    """Return five sessions of 390 minutes."""
    monday = datetime(2024, 1, 1, 14, 30, tzinfo=UTC) + timedelta(weeks=week)
    minute = np.arange(WEEK_ROWS)
    at = pl.Series((minute // 390 * 1440 + minute % 390) * 60_000_000).cast(pl.Duration("us")) + monday
    values = random.standard_normal((WEEK_ROWS, len(NAMES))).astype(np.float32)
    values[random.random(values.shape) < NULL_SHARE] = np.nan
    plain = {
        "ticker": [ticker] * WEEK_ROWS,
        "timestamp": at,
        "as_of": at + timedelta(minutes=1),
        "open": random.uniform(1, 500, WEEK_ROWS),
        "close": random.uniform(1, 500, WEEK_ROWS),
        "volume": random.integers(1, 100_000, WEEK_ROWS).astype(float),
        "session": ["regular"] * WEEK_ROWS,
        "simulated": [False] * WEEK_ROWS,
    }
    features = pl.DataFrame(values, schema=dict.fromkeys(NAMES, pl.Float32)).fill_nan(None)
    return pl.concat([pl.DataFrame(plain), features], how="horizontal")


@contextmanager
def database() -> Iterator[Engine]:
    """Provide a PostgreSQL of our own, migrated."""
    with tempfile.TemporaryDirectory(prefix="tickerstream-bench-") as folder:
        home = Home(Path(folder), resolve_home().cache)
        home.create()
        server = PostgresServer(home, free_port())
        try:
            server.start()
            server.wait_healthy()
            engine = make_engine(
                PostgresSettings.load(
                    postgres_host="127.0.0.1", postgres_port=server.port, postgres_db=DATABASE, postgres_user=USER,
                    postgres_password=server.password,
                )
            )  # fmt: skip
            migrate(engine)
            yield engine
            engine.dispose()
        finally:
            server.stop()
