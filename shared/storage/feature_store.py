"""Feature rows in PostgreSQL, append-only by revision, in the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

import polars as pl
from sqlalchemy import Connection, text

from shared.contracts.bars import INSTANT
from shared.errors import ConfigurationError, ContractError
from shared.failpoints import failpoint
from shared.storage.batches import Appended, Batch, BatchKind, OpenBatch
from shared.storage.copying import copy_in
from shared.storage.feature_tables import COPIED, ROW_COLUMNS
from shared.storage.newest_rows import NewestRows, Spans
from shared.storage.revisions import judge

__all__ = ["Appended", "Batch", "BatchKind", "FeatureStore", "OpenBatch"]

_OPEN: Final = text(
    """
    INSERT INTO aggregation_batches
        (feature_set, kind, topic, topic_id, partition, first_offset, next_offset, epoch, applied, made_at)
    SELECT name, :kind, :topic, :topic_id, :partition, :first, :next, :epoch, CAST(:applied AS jsonb), :made_at
    FROM feature_sets WHERE name = :feature_set AND state <> 'retired' RETURNING batch_id
    """
)
# One ticker each: its partition is then known to the planner, and its rows are looked up in the index.
_SUPERSEDE: Final = text(
    """
    UPDATE aggregated_data SET superseded_at = :made_at
    WHERE feature_set = :feature_set AND ticker = :ticker AND "timestamp" = ANY(CAST(:timestamps AS timestamptz[]))
        AND superseded_at IS NULL
    """
)
_SERVE: Final = text(
    """
    UPDATE aggregated_data SET served = true
    WHERE feature_set = :feature_set AND ticker = :ticker AND "timestamp" = :timestamp AND revision = :revision
        AND NOT served
    """
)


class FeatureStore:
    """Writes rows of one feature set, and reads what a writer needs to know.

    Args:
        feature_set: Which; its columns and partitions must be provisioned.
        names: Its features, in the catalogue's order.
    """

    def __init__(self, feature_set: str, names: Sequence[str]) -> None:
        self._feature_set = feature_set
        self._names = tuple(names)
        self._newest = NewestRows(feature_set, names)

    def open_batch(self, connection: Connection, batch: Batch) -> OpenBatch:
        """Write the lineage row of a batch.

        Raises:
            ConfigurationError: the feature set is not provisioned, or retired.
        """
        given = {
            **asdict(batch.source),
            "feature_set": self._feature_set,
            "kind": batch.kind,
            "first": batch.first_offset,
            "next": batch.next_offset,
            "epoch": batch.epoch,
            "applied": json.dumps(batch.applied, sort_keys=True),
            "made_at": batch.made_at,
        }
        found = connection.execute(_OPEN, given).scalar()
        if found is None:
            raise ConfigurationError(
                f"feature set {self._feature_set} is not provisioned, or retired. Run `python -m infra.provision`."
            )
        return OpenBatch(found, batch.made_at)

    def append(self, connection: Connection, frame: pl.DataFrame, batch: OpenBatch) -> Appended:
        """Add rows by binary COPY; a row that is stored already with the same values (bitwise) is not added again.

        Values are prices, volume, session and the features. Many ticker-weeks may come in one frame: the more rows a
        COPY has, the faster it is.

        Args:
            connection: Of the caller's transaction.
            frame: ROW_COLUMNS and the features (Float32, null where none; never NaN), unique by (ticker, timestamp);
                `replayed` and `served` (Boolean) may be there, else they are false.
            batch: Whose rows they are.

        Raises:
            ContractError: a column lacks or is of another type, or a feature is NaN or infinite.
        """
        rows = self._checked(frame)
        if rows.is_empty():
            return Appended(0, 0, 0, 0)
        touched = self._newest.touched(connection, Spans.of(rows))
        if not touched.tickers:
            self._copy(connection, rows.with_columns(pl.lit(1, pl.Int32).alias("revision")), batch)
            return Appended(rows.height, 0, 0, 0)
        judged = judge(rows, self._newest.in_spans(connection, touched), self._names)
        revised = judged.superseded.height
        if revised:
            self._supersede(connection, judged.superseded, batch.made_at)
        if judged.fresh.height:
            self._copy(connection, judged.fresh, batch)
        return Appended(judged.fresh.height - revised, revised, judged.unchanged, judged.outdated)

    def newest_revisions(self, connection: Connection, ticker: str, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the newest revision of each row in [start, end): STORED_COLUMNS and features, sorted."""
        return self._newest.in_spans(connection, Spans.between(ticker, start, end))

    def newest_rows(self, connection: Connection, tickers: Sequence[str]) -> pl.DataFrame:
        """Return the newest revision of the newest bar of each ticker that has rows: STORED_COLUMNS and features."""
        return self._newest.of_tickers(connection, tickers)

    def mark_served(self, connection: Connection, rows: pl.DataFrame) -> int:
        """Mark revisions (columns ticker, timestamp, revision) as served; return how many were not before."""
        keys = rows.select("ticker", "timestamp", "revision").rows(named=True)
        return sum(connection.execute(_SERVE, {**key, "feature_set": self._feature_set}).rowcount for key in keys)

    def _supersede(self, connection: Connection, rows: pl.DataFrame, made_at: datetime) -> None:
        """Mark the newest revisions of rows (columns ticker, timestamp) as superseded."""
        for (ticker,), of_ticker in rows.group_by("ticker", maintain_order=True):
            stamps = of_ticker["timestamp"].to_list()
            given = {"ticker": ticker, "timestamps": stamps, "made_at": made_at, "feature_set": self._feature_set}
            connection.execute(_SUPERSEDE, given)

    def _copy(self, connection: Connection, rows: pl.DataFrame, batch: OpenBatch) -> None:
        """Add rows with their `revision`, in the columns' order of the COPY."""
        stored = rows.with_columns(
            pl.lit(batch.made_at, INSTANT).alias("made_at"),
            pl.lit(batch.batch_id, pl.Int64).alias("batch_id"),
            pl.lit(self._feature_set).alias("feature_set"),
        ).select(*COPIED, *self._names)
        copy_in(connection, "aggregated_data", stored, self._names)
        failpoint("features.after_copy")

    def _checked(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with `replayed` and `served`.

        Raises:
            ContractError: as of `append`.
        """
        lacking = [pl.lit(value=False).alias(name) for name in ("replayed", "served") if name not in frame.columns]
        rows = frame.with_columns(lacking)
        wanted = {**ROW_COLUMNS, "replayed": pl.Boolean(), "served": pl.Boolean()}
        wanted.update(dict.fromkeys(self._names, pl.Float32()))
        found = rows.schema
        if wrong := [name for name, kind in wanted.items() if found.get(name) != kind]:
            raise ContractError(
                f"feature rows: columns lack or are of another type: {', '.join(wrong[:5])}. "
                f"Are they of feature set {self._feature_set}?"
            )
        if any(rows[name].null_count() for name in (*ROW_COLUMNS, "replayed", "served")):
            raise ContractError("feature rows: a column of the bar is null. Mend what made them.")
        return rows
