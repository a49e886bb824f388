"""Feature rows in PostgreSQL, append-only by revision, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl
from sqlalchemy import Connection

from shared.storage.offsets import SourcePartition

BatchKind = Literal["stream", "remake", "rebuild"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction's rows were made from.

    Attributes:
        source: The partition that was read; for a remake or rebuild the bars' partition whose epoch covers it.
        first_offset: First offset of it that took part.
        next_offset: The offset after the last one; equal to `first_offset` where no record was read.
        epoch: Epoch of the owner.
        made_at: When, aware, UTC; the rows' `made_at` too.
        kind: Why.
        applied: Next offsets of the other inputs as they were applied: topic -> partition -> offset.
    """

    source: SourcePartition
    first_offset: int
    next_offset: int
    epoch: int
    made_at: datetime
    kind: BatchKind = "stream"
    applied: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch whose lineage row is written (in this transaction): rows may be appended under its id."""

    batch_id: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a frame's rows.

    Attributes:
        added: Rows of bars that had none: revision 1.
        revised: Rows whose values differ from their newest revision: a further revision; the older is superseded.
        unchanged: Rows that are equal to their newest revision.
        outdated: Rows whose `as_of` is before that of their newest revision: less knowledge never replaces more.
    """

    added: int
    revised: int
    unchanged: int
    outdated: int


class FeatureStore:
    """Writes rows of one feature set, and reads what a writer needs to know.

    Args:
        feature_set: Which; its columns and partitions must be provisioned.
        names: Its features, in the catalogue's order.
    """

    def __init__(self, feature_set: str, names: Sequence[str]) -> None:
        self._feature_set = feature_set
        self._names = tuple(names)

    def open_batch(self, connection: Connection, batch: Batch) -> OpenBatch:
        """Write the lineage row of a batch."""
        raise NotImplementedError

    def append(self, connection: Connection, frame: pl.DataFrame, batch: OpenBatch) -> Appended:
        """Add rows by binary COPY; a row that is stored already with the same values (bitwise) is not added again.

        Values are close, volume, session and the features. Many ticker-weeks may come in one frame: the more rows a
        COPY has, the faster it is.

        Args:
            connection: Of the caller's transaction.
            frame: ROW_COLUMNS and the features (Float32, null where none; never NaN), unique by (ticker, timestamp);
                `replayed` and `served` (Boolean) may be there, else they are false.
            batch: Whose rows they are.

        Raises:
            ContractError: a column lacks or is of another type, or a feature is NaN or infinite.
        """
        raise NotImplementedError

    def newest_revisions(self, connection: Connection, ticker: str, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the newest revision of each row in [start, end): STORED_COLUMNS and features, sorted."""
        raise NotImplementedError

    def newest_rows(self, connection: Connection, tickers: Sequence[str]) -> pl.DataFrame:
        """Return the newest revision of the newest bar of each ticker that has rows: STORED_COLUMNS and features."""
        raise NotImplementedError

    def mark_served(self, connection: Connection, rows: pl.DataFrame) -> int:
        """Mark revisions (columns ticker, timestamp, revision) as served; return how many were not before."""
        raise NotImplementedError
