"""Rows of one file gathered into ticker-weeks, exact repetitions removed, in bounded memory."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from producers.files.rows import ROW_COLUMNS, as_bars
from producers.source import Bars
from shared.contracts.weeks import week_start

MOST_ROWS: Final = 400_000
_VALUES: Final = [name for name in ROW_COLUMNS if name != "row"]


class WeekBuffer:
    """Holds rows until their week is complete: at the file's end, or when too many are held.

    Files sorted by time or by ticker give each week whole. From an unsorted file that does not fit, a week may come
    in several parts, and a repetition farther away than the buffer holds is published, for the lake to drop.

    Args:
        origin: The file, for dead letters.
        adjusted: Whether its prices are adjusted.
        most_rows: How many rows may be held.
    """

    def __init__(self, origin: str, adjusted: bool, most_rows: int = MOST_ROWS) -> None:
        self._origin = origin
        self._adjusted = adjusted
        self._most_rows = most_rows
        self._parts: list[pl.DataFrame] = []
        self._held = 0

    def add(self, rows: pl.DataFrame) -> Iterator[Bars]:
        """Take rows (ROW_COLUMNS); when too many are held, yield weeks that the newest rows are not part of."""
        if not rows.height:
            return
        self._parts.append(rows)
        self._held += rows.height
        if self._held <= self._most_rows:
            return
        newest = _with_week(rows).select("ticker", "week").unique()
        held = _with_week(self._take())
        growing = held.join(newest, on=["ticker", "week"], how="semi").drop("week")
        if growing.height > self._most_rows // 2:
            yield from self._weeks(held)
            return
        complete = held.join(newest, on=["ticker", "week"], how="anti")
        del held
        self._parts, self._held = [growing], growing.height
        yield from self._weeks(complete)

    def finish(self) -> Iterator[Bars]:
        """Yield all that is held."""
        if self._held:
            yield from self._weeks(_with_week(self._take()))

    def _take(self) -> pl.DataFrame:
        rows = pl.concat(self._parts, rechunk=True)
        self._parts, self._held = [], 0
        return rows

    def _weeks(self, rows: pl.DataFrame) -> Iterator[Bars]:
        """Yield the rows (ROW_COLUMNS and `week`) by ticker and week, each in order of time and then of the file."""
        rows = rows.sort("ticker", "timestamp", "row")
        sizes = rows.group_by("ticker", "week", maintain_order=True).len()["len"]
        start = 0
        for size in sizes:
            yield self._bars(rows.slice(start, size).drop("week"))
            start += size

    def _bars(self, week: pl.DataFrame) -> Bars:
        distinct = week
        if week["timestamp"].n_unique() < week.height:
            distinct = week.unique(_VALUES, keep="first", maintain_order=True)
        frame = as_bars(distinct, self._adjusted)
        return Bars(frame, week.height - distinct.height, self._origin, distinct["row"])


def _with_week(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(week_start().alias("week"))
