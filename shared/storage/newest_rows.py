"""The newest revisions of feature rows, as the caller's transaction sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl
from sqlalchemy import Connection, text

from shared.contracts.bars import INSTANT
from shared.storage.copying import copy_out
from shared.storage.feature_tables import STORED_COLUMNS

# A binary COPY without texts and nulls has rows of one width: places stand for tickers, a flag for the session.
_FIXED: Final[dict[str, pl.DataType]] = {
    ".place": pl.Int64(),
    "timestamp": INSTANT,
    "as_of": INSTANT,
    "open": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Float64(),
    ".regular": pl.Boolean(),
    "simulated": pl.Boolean(),
    "revision": pl.Int32(),
    "made_at": INSTANT,
    "served": pl.Boolean(),
    "replayed": pl.Boolean(),
    "batch_id": pl.Int64(),
}
_EXPRESSIONS: Final = {
    ".place": "spans.place",
    "open": "COALESCE(d.open, 'NaN')",  # null in rows that were stored before the table had it
    ".regular": "d.session = 'regular'",
}

# Each ticker's rows are looked up by themselves, in the index: OFFSET and LIMIT keep the planner from joining the spans
# with the whole table. %(...)s are filled in by the driver.
_IN_SPANS: Final = """
    FROM unnest(%(tickers)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
        WITH ORDINALITY AS spans (ticker, first, last, place)
    CROSS JOIN LATERAL (
        SELECT * FROM aggregated_data
        WHERE feature_set = %(feature_set)s AND ticker = spans.ticker
            AND "timestamp" BETWEEN spans.first AND spans.last AND superseded_at IS NULL
        ORDER BY "timestamp" OFFSET 0
    ) d
    ORDER BY spans.place, d."timestamp"
"""
_OF_TICKERS: Final = """
    FROM unnest(%(tickers)s::text[]) WITH ORDINALITY AS spans (ticker, place)
    CROSS JOIN LATERAL (
        SELECT * FROM aggregated_data
        WHERE feature_set = %(feature_set)s AND ticker = spans.ticker AND superseded_at IS NULL
        ORDER BY "timestamp" DESC LIMIT 1
    ) d
    ORDER BY spans.place
"""
_TOUCHED: Final = text(
    """
    SELECT spans.place
    FROM unnest(CAST(:tickers AS text[]), CAST(:firsts AS timestamptz[]), CAST(:lasts AS timestamptz[]))
        WITH ORDINALITY AS spans (ticker, first, last, place)
    CROSS JOIN LATERAL (
        SELECT FROM aggregated_data
        WHERE feature_set = :feature_set AND ticker = spans.ticker AND "timestamp" BETWEEN spans.first AND spans.last
        ORDER BY "timestamp" LIMIT 1
    ) hit
    ORDER BY spans.place
    """
)

_APART: Final = timedelta(minutes=30)
"""Rows further apart are looked up apart: a late bar changes a part of its day, not all up to the next one."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Stretches of time of some tickers: the first and the last timestamp of each, both included."""

    tickers: list[str]
    firsts: list[datetime]
    lasts: list[datetime]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "Spans":
        """Return the spans of rows (columns ticker, timestamp)."""
        keys = rows.select("ticker", "timestamp").sort("ticker", "timestamp")
        apart = (pl.col("timestamp").diff() > _APART) | (pl.col("ticker") != pl.col("ticker").shift())
        begins = keys.select(apart.fill_null(value=True)).to_series()
        ends = begins.shift(-1, fill_value=True)
        return cls(
            keys["ticker"].filter(begins).to_list(),
            keys["timestamp"].filter(begins).to_list(),
            keys["timestamp"].filter(ends).to_list(),
        )

    @classmethod
    def between(cls, ticker: str, start: datetime, end: datetime) -> "Spans":
        """Return the span [start, end) of one ticker."""
        return cls([ticker], [start], [end - timedelta(microseconds=1)])

    def only(self, places: Sequence[int]) -> "Spans":
        """Return the spans at some places."""
        return Spans(*([column[place] for place in places] for column in (self.tickers, self.firsts, self.lasts)))  # type: ignore[arg-type]


class NewestRows:
    """Reads the newest revisions of one feature set.

    Args:
        feature_set: Which.
        names: Its features, in order.
    """

    def __init__(self, feature_set: str, names: Sequence[str]) -> None:
        self._feature_set = feature_set
        self._names = tuple(names)
        fixed = [_EXPRESSIONS.get(name, f'd."{name}"') for name in _FIXED]
        values = [f"COALESCE(d.\"{name}\", 'NaN')" for name in names]
        self._select = "SELECT " + ", ".join([*fixed, *values])

    def touched(self, connection: Connection, spans: Spans) -> Spans:
        """Return the spans in which anything is stored."""
        given = {**_arguments(spans), "feature_set": self._feature_set}
        return spans.only([place - 1 for place in connection.execute(_TOUCHED, given).scalars()])

    def in_spans(self, connection: Connection, spans: Spans) -> pl.DataFrame:
        """Return the newest revision of each row in the spans, sorted by timestamp within each span."""
        return self._read(connection, _IN_SPANS, spans.tickers, _arguments(spans))

    def of_tickers(self, connection: Connection, tickers: Sequence[str]) -> pl.DataFrame:
        """Return the newest revision of the newest bar of each ticker that has rows."""
        return self._read(connection, _OF_TICKERS, list(tickers), {"tickers": list(tickers)})

    def _read(
        self, connection: Connection, source: str, tickers: list[str], arguments: Mapping[str, object]
    ) -> pl.DataFrame:
        given = {**arguments, "feature_set": self._feature_set}
        found = copy_out(connection, self._select + source, given, _FIXED, self._names)
        names = pl.Series(tickers, dtype=pl.String)
        return found.with_columns(
            names.gather(found[".place"] - 1).alias("ticker"),
            pl.when(".regular").then(pl.lit("regular")).otherwise(pl.lit("extended")).alias("session"),
            pl.col("open").fill_nan(None),
            pl.lit(None, INSTANT).alias("superseded_at"),
        ).select(*STORED_COLUMNS, *self._names)


def _arguments(spans: Spans) -> dict[str, object]:
    return {"tickers": spans.tickers, "firsts": spans.firsts, "lasts": spans.lasts}
