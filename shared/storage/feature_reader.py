"""Reads feature rows for training and for verification: by ADBC into polars, committed rows only."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy import Engine, text

from shared.contracts.bars import NAME_PATTERN
from shared.errors import ConfigurationError
from shared.storage.adbc import read_batches, read_frame
from shared.storage.copying import quoted
from shared.storage.feature_tables import STORED_COLUMNS, FeatureSet, feature_set
from shared.storage.postgres import transaction
from shared.storage.revisions import value_bits

_TRAINING: Final = ("timestamp", "batch_id", "revision", "open", "close", "volume", "session", "simulated", "replayed")
_DIGESTED: Final = ("timestamp", "as_of", "open", "close", "volume", "session", "simulated")
# Rows of one ticker lie together in the order of time, which the planner cannot know: it would sort wide rows on disk.
_BY_INDEX: Final = {"enable_sort": "off", "enable_seqscan": "off", "enable_bitmapscan": "off"}
_COVERAGE: Final = text(
    """
    SELECT ticker, count(*) FILTER (WHERE revision = 1) AS rows, count(*) AS revisions,
        min("timestamp") AS first, max("timestamp") AS last
    FROM aggregated_data WHERE feature_set = :name GROUP BY ticker ORDER BY ticker
    """
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is stored of one ticker and feature set: rows (bars), all their revisions, first and last bar."""

    ticker: str
    rows: int
    revisions: int
    first: datetime
    last: datetime


class FeatureReader:
    """Reads the feature table.

    Args:
        engine: A PostgreSQL that is migrated; ADBC connects to the same server.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read_training_rows(
        self, ticker: str, feature_set: str | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return a ticker's rows by timestamp: the revision that was served (first) where one was, else the newest.

        Args:
            ticker: Whose.
            feature_set: Which; None: the active one.
            columns: Features that are wanted; None: all of the set.

        Returns:
            timestamp, batch_id (`aggregation_batches` has what the row was made from), revision, open, close, volume,
            session, simulated, replayed, then the features (Float32, null where there is none). About 4 bytes a value
            and 60 a row; nothing else of that size is held meanwhile.

        Raises:
            ConfigurationError: there is no such feature set or column.
        """
        used = self._feature_set(feature_set)
        wanted = used.names if columns is None else tuple(columns)
        if unknown := sorted(set(wanted) - set(used.names)):
            raise ConfigurationError(f"feature set {used.name} has no {', '.join(unknown)}. See docs/features.md.")
        query = _select((*_TRAINING, "served", *wanted), used, ticker, "(superseded_at IS NULL OR served)")
        found = read_frame(self._engine, query, _BY_INDEX)
        if found["timestamp"].is_duplicated().any():
            by = ["timestamp", "served", "revision"]
            found = found.sort(by, descending=[False, True, False]).unique(
                "timestamp", keep="first", maintain_order=True
            )
        return found.drop("served")

    def revisions(self, ticker: str, feature_set: str | None, start: datetime, end: datetime) -> pl.DataFrame:
        """Return every revision with `timestamp` in [start, end), sorted by (timestamp, revision): for verification.

        Returns:
            STORED_COLUMNS, then the features.
        """
        used = self._feature_set(feature_set)
        low, high = (instant.astimezone(UTC).isoformat() for instant in (start, end))
        where = f"\"timestamp\" >= '{low}' AND \"timestamp\" < '{high}'"
        return read_frame(self._engine, _select((*STORED_COLUMNS, *used.names), used, ticker, where), _BY_INDEX)

    def coverage(self, feature_set: str | None = None) -> list[Coverage]:
        """Return what is stored, by ticker."""
        used = self._feature_set(feature_set)
        with transaction(self._engine) as connection:
            return [Coverage(*row) for row in connection.execute(_COVERAGE, {"name": used.name})]

    def rows_digest(self, ticker: str, feature_set: str | None = None) -> str:
        """Return the BLAKE2b digest (32 hex) of a ticker's newest revisions, in order, in bounded memory.

        It covers timestamp, as_of, open, close, volume, session, simulated and the features' bits, and nothing that
        depends on when or in which batch the rows were made.
        """
        used = self._feature_set(feature_set)
        query = _select((*_DIGESTED, *used.names), used, ticker, "superseded_at IS NULL")
        with read_batches(self._engine, query, _BY_INDEX) as reader:
            return _digest(reader, used.names)

    def _feature_set(self, name: str | None) -> FeatureSet:
        with transaction(self._engine) as connection:
            return feature_set(connection, name)


def _select(columns: Sequence[str], used: FeatureSet, ticker: str, where: str) -> str:
    """Return the query for a ticker's rows in order; ADBC's COPY takes no parameters, so names are checked."""
    if not re.fullmatch(NAME_PATTERN, ticker):
        raise ConfigurationError(f"{ticker!r} is not a ticker. Use letters, digits and ._=- after a capital or digit.")
    return (
        f"SELECT {quoted(columns)} FROM aggregated_data WHERE feature_set = '{used.name}' AND ticker = '{ticker}' "  # noqa: S608
        f'AND {where} ORDER BY "timestamp", revision'
    )


def _digest(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> str:
    """Return the digest of rows, the same however they are cut into batches."""
    hashed = hashlib.blake2b(digest_size=16)
    for batch in batches:
        rows = pl.from_arrow(batch)
        assert isinstance(rows, pl.DataFrame)  # noqa: S101  a batch always becomes a DataFrame
        hashed.update(_canonical(rows, names))
    return hashed.hexdigest()


def _canonical(rows: pl.DataFrame, names: Sequence[str]) -> bytes:
    """Return the rows as little-endian records."""
    prices = ("open", "close", "volume")
    kind = [("at", "<i8"), ("as_of", "<i8"), *((name, "<f8") for name in prices), ("flags", "u1", (2,))]
    records = np.empty(rows.height, np.dtype([*kind, ("values", "<u4", (len(names),))]))
    records["at"] = rows["timestamp"].to_physical().to_numpy()
    records["as_of"] = rows["as_of"].to_physical().to_numpy()
    for name in prices:
        records[name] = rows[name].fill_null(np.nan).to_numpy()
    records["flags"][:, 0] = (rows["session"] == "regular").to_numpy()
    records["flags"][:, 1] = rows["simulated"].to_numpy()
    records["values"] = value_bits(rows, names)
    return records.tobytes()
