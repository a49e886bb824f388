"""Reads feature rows for training and for verification: by ADBC into polars, committed rows only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Engine


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is stored of one ticker and feature set: rows (newest revisions), all revisions, first and last bar."""

    ticker: str
    rows: int
    revisions: int
    first: datetime
    last: datetime
    simulated: bool


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
            timestamp, as_of, revision, close, volume, session, simulated, replayed, then the features (Float32, null
            where there is none). About 4 bytes a value and 60 a row; nothing else of that size is held meanwhile.

        Raises:
            ConfigurationError: there is no such feature set or column.
        """
        raise NotImplementedError

    def revisions(self, ticker: str, feature_set: str | None, start: datetime, end: datetime) -> pl.DataFrame:
        """Return every revision with `timestamp` in [start, end), sorted by (timestamp, revision): for verification.

        Returns:
            STORED_COLUMNS, then the features.
        """
        raise NotImplementedError

    def coverage(self, feature_set: str | None = None) -> list[Coverage]:
        """Return what is stored, by ticker."""
        raise NotImplementedError

    def rows_digest(self, ticker: str, feature_set: str | None = None) -> str:
        """Return the BLAKE2b digest (32 hex) of a ticker's newest revisions, in order, in bounded memory.

        It covers timestamp, as_of, close, volume, session, simulated and the features' bits, and nothing that depends
        on when or in which batch the rows were made.
        """
        raise NotImplementedError
