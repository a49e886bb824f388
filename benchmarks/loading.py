"""Feature rows a second into PostgreSQL, beside a binary COPY of the same rows into the same partitions and indexes.

Tickerstream's way checks the rows, looks for older revisions, encodes, and stores offsets and lineage in the same
transaction. The bare COPY sends bytes that were encoded before; ADBC's `adbc_ingest` encodes an Arrow table that was
made before. All commit as often, with the server's durability as it is in production. The rows are those that the
catalogue makes of simulated bars; then the same with more nulls, scattered at random, which a COPY of rows likes least.
"""

import io
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import adbc_driver_postgresql.dbapi
import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy import Engine, text

from benchmarks.features import tickers
from infra.embedded.layout import Home
from infra.embedded.ports import free_port
from infra.embedded.postgres import DATABASE, USER, PostgresServer
from infra.embedded.settings import resolve_home
from infra.migrations import migrate
from shared.features.catalogue import NAMES
from shared.features.compute import compute_week
from shared.settings import PostgresSettings
from shared.storage.batches import Batch
from shared.storage.binary_copy import encode
from shared.storage.copying import quoted
from shared.storage.feature_store import FeatureStore
from shared.storage.feature_tables import COPIED, drop_feature_set, ensure_feature_set
from shared.storage.offsets import OffsetStore, SourcePartition
from shared.storage.postgres import make_engine, transaction

ROUNDS = 5
TICKERS, SESSIONS = 10, 100
NULL_SHARE = 0.1
ORDERS = list(itertools.permutations(range(3)))
"""Each way comes as often after each other one: what one leaves to be written, the next one has to wait for."""
MADE_AT = datetime(2025, 3, 1, tzinfo=UTC)
SOURCE = SourcePartition("h_alpaca", "id", 0)
SETS = ("fbenchbare", "fbenchadbc", "fbenchours")


@dataclass(frozen=True)
class Load:
    """The same rows three times: as computed, as bytes of a COPY, and as an Arrow table; the last two a feature set."""

    frame: pl.DataFrame
    copied: dict[str, bytes]
    tables: dict[str, pa.Table]
    columns: list[str]


def measure(rounds: int = ROUNDS) -> list[str]:
    """Return Markdown lines: each round measures all three, one after the other."""
    frames = list(weeks())
    random = np.random.default_rng(1)
    scattered = [scatter_nulls(frame, random) for frame in frames]
    with database() as engine:
        return [*table(engine, "as they are made", frames, rounds), "", *table(engine, "scattered", scattered, rounds)]


def table(engine: Engine, kind: str, frames: list[pl.DataFrame], rounds: int) -> list[str]:
    """Return Markdown lines about one kind of rows."""
    loads = [load_of(number, frame) for number, frame in enumerate(frames)]
    rows = sum(frame.height for frame in frames)
    nulls = sum(count for frame in frames for count in frame.select(NAMES).null_count().row(0)) / rows / len(NAMES)
    lines = [
        f"{rows:,} rows of {len(NAMES)} features, {nulls:.1%} of them null, {kind}; {TICKERS} ticker-weeks a COMMIT.",
        "",
        "| round | bare COPY, rows/s | adbc_ingest, rows/s | Tickerstream, rows/s | to bare COPY | to ADBC |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    taken = [timed(engine, loads, number) for number in range(rounds + 1)][1:]  # the first one warms up
    lines += [f"| {number} | {_figures(rows, *seconds)} |" for number, seconds in enumerate(taken, 1)]
    medians = (statistics.median(one) for one in zip(*taken, strict=True))
    return [*lines, f"| median | {_figures(rows, *medians)} |"]


def _figures(rows: int, bare_s: float, adbc_s: float, ours_s: float) -> str:
    rates = " | ".join(f"{rows / seconds:,.0f}" for seconds in (bare_s, adbc_s, ours_s))
    return f"{rates} | {bare_s / ours_s:.2f} | {adbc_s / ours_s:.2f}"


def timed(engine: Engine, loads: list[Load], first: int) -> list[float]:
    """Return the seconds of each way into new, empty partitions of its own; the ways take turns, load by load.

    Args:
        engine: Of the database.
        loads: What each way stores.
        first: Which way begins.
    """
    with transaction(engine) as connection:
        for name in SETS:
            ensure_feature_set(connection, name, NAMES)
        connection.execute(text("TRUNCATE source_offsets, aggregation_batches"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
    ways = [Bare(engine, SETS[0]), Adbc(engine, SETS[1]), Ours(engine, SETS[2])]
    seconds = [0.0] * len(ways)
    for number, load in enumerate(loads, first):
        for at in ORDERS[number % len(ORDERS)]:
            begin = time.perf_counter()
            ways[at].store(load)
            seconds[at] += time.perf_counter() - begin
    for way in ways:
        way.close()
    with transaction(engine) as connection:
        stored = connection.execute(text("SELECT count(*) FROM aggregated_data GROUP BY feature_set")).scalars().all()
        assert stored == [sum(load.frame.height for load in loads)] * len(ways), f"{stored} rows were stored"
        connection.execute(text("UPDATE feature_sets SET state = 'retired'"))
        for name in SETS:
            drop_feature_set(connection, name)
    return seconds


class Bare:
    """Sends bytes that were encoded before."""

    def __init__(self, engine: Engine, feature_set: str) -> None:
        self._engine = engine
        self._set = feature_set

    def store(self, load: Load) -> None:
        with transaction(self._engine) as connection, connection.connection.cursor() as cursor:
            statement = f"COPY aggregated_data ({quoted(load.columns)}) FROM STDIN (FORMAT binary)"
            cursor.copy_expert(statement, io.BytesIO(load.copied[self._set]), 1 << 20)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Do nothing: the connection is the pool's."""


class Adbc:
    """Ingests Arrow tables that were made before."""

    def __init__(self, engine: Engine, feature_set: str) -> None:
        url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = adbc_driver_postgresql.dbapi.connect(url)
        self._set = feature_set

    def store(self, load: Load) -> None:
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest("aggregated_data", load.tables[self._set], mode="append")
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


class Ours:
    """Stores as the aggregator does."""

    def __init__(self, engine: Engine, feature_set: str) -> None:
        self._engine = engine
        self._store = FeatureStore(feature_set, NAMES)
        self._offsets = OffsetStore(engine)
        self._claim = self._offsets.claim(SOURCE, 0, "benchmark")

    def store(self, load: Load) -> None:
        with transaction(self._engine) as connection:
            moved = self._offsets.advance(connection, self._claim, self._claim.next_offset + TICKERS)
            batch = Batch(SOURCE, self._claim.next_offset, moved.next_offset, self._claim.epoch, MADE_AT)
            self._store.append(connection, load.frame, self._store.open_batch(connection, batch))
        self._claim = moved

    def close(self) -> None:
        """Do nothing: the connection is the pool's."""


def weeks() -> Iterator[pl.DataFrame]:
    """Yield the rows of all tickers, week by week."""
    everything = list(tickers(TICKERS, SESSIONS))
    for week in everything[0].weeks:
        rows = [compute_week(ticker.bars, ticker.context, week) for ticker in everything]
        yield pl.concat(one for one in rows if one.height).rechunk()


def scatter_nulls(frame: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Return the rows with NULL_SHARE of their values taken away at random."""
    values = frame.select(NAMES).to_numpy().copy()
    values[random.random(values.shape) < NULL_SHARE] = np.nan
    numbers = pl.DataFrame(values, schema=dict.fromkeys(NAMES, pl.Float32)).fill_nan(None)
    return pl.concat([frame.drop(NAMES), numbers], how="horizontal").rechunk()


def load_of(number: int, frame: pl.DataFrame) -> Load:
    """Return rows as each way wants them."""
    copied, tables = {}, {}
    for name in SETS:
        stored = frame.with_columns(
            pl.lit(MADE_AT).cast(frame.schema["timestamp"]).alias("made_at"),
            pl.lit(number, pl.Int64).alias("batch_id"),
            pl.lit(1, pl.Int32).alias("revision"),
            pl.lit(name).alias("feature_set"),
            *(pl.lit(value=False).alias(mark) for mark in ("replayed", "served")),
        ).select(*COPIED, *NAMES)
        copied[name] = b"".join(bytes(piece) for piece in encode(stored, NAMES))
        tables[name] = stored.to_arrow(compat_level=pl.CompatLevel.oldest())
    return Load(frame, copied, tables, [*COPIED, *NAMES])


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
