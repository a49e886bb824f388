"""Rows of one file gathered into ticker-weeks, exact repetitions removed, in bounded memory."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from producers.files.rows import ROW_COLUMNS, as_bars
from producers.source import Bars
from shared.contracts.weeks import week_start

MOST_ROWS: Final = 250_000
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
        self._ready: list[pl.DataFrame] = []
        self._held = 0

    def add(self, rows: pl.DataFrame) -> Iterator[Bars]:
        """Take rows (ROW_COLUMNS); when too many are held, yield weeks that the newest rows are not part of."""
        if not rows.height:
            return
        self._parts.append(rows)
        self._held += rows.height
        if self._held > self._most_rows:
            self._part_by_growth(_keys(rows).unique())
            yield from self._drain()

    def finish(self) -> Iterator[Bars]:
        """Yield all that is held."""
        if self._held:
            self._ready.append(self._take())
            yield from self._drain()

    def _part_by_growth(self, newest: pl.DataFrame) -> None:
        """Make ready what is not of the `newest` weeks; everything, where that would free too little."""
        held = self._take()
        newest = newest.with_columns(grows=True)
        marks = _keys(held).join(newest, on=["ticker", "week"], how="left", maintain_order="left")
        grows = marks["grows"].fill_null(value=False)
        if grows.sum() > self._most_rows * 3 // 4:
            self._ready.append(held)
            return
        self._ready.append(held.filter(~grows))
        self._parts = [held.filter(grows)]
        self._held = self._parts[0].height

    def _take(self) -> pl.DataFrame:
        rows = pl.concat(self._parts, rechunk=True)
        self._parts, self._held = [], 0
        return rows

    def _drain(self) -> Iterator[Bars]:
        while self._ready:
            yield from self._weeks(self._ready.pop())  # nobody else holds these rows: they are freed as soon as done

    def _weeks(self, rows: pl.DataFrame) -> Iterator[Bars]:
        """Yield the rows by ticker and week, each in order of time and then of the file."""
        sizes = _keys(rows).group_by("ticker", "week").len().sort("ticker", "week")["len"].to_list()
        order = rows.select(pl.arg_sort_by("ticker", "timestamp", "row")).to_series()
        start = 0
        for size in sizes:
            yield self._bars(rows[order.slice(start, size)])
            start += size

    def _bars(self, week: pl.DataFrame) -> Bars:
        distinct = week
        if week["timestamp"].n_unique() < week.height:
            distinct = week.unique(_VALUES, keep="first", maintain_order=True)
        frame = as_bars(distinct, self._adjusted)
        return Bars(frame, week.height - distinct.height, self._origin, distinct["row"])


def _keys(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("ticker", week_start().alias("week"))
