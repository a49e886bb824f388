"""The files source of macro series: `date,value` or `date,<SERIES>`, latest vintages, released by the calendar."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from producers.files.csv_table import tidied
from producers.files.csv_text import CsvText
from producers.files.discovery import SourceFile
from producers.files.facts_source import WRONG_HEADER, FactFiles, reason_of
from producers.files.parquet_table import ParquetTable
from producers.files.release_calendar import release_of
from producers.files.shape import normal_name
from producers.files.table import Batch
from producers.source import Fact, Item, Note, Refused
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.contracts.facts import MacroVintage
from shared.errors import PoisonMessageError

_DATES: Final = ("date", "observation_date", "__index_level_0__", "unnamed:_0", "")
_SERIES: Final = ("series", "series_id")
_NAME: Final = r"[A-Z][A-Z0-9._]{1,31}"
_MISSING: Final = (".", "NaN", "nan", "NA", "null", "None")


@dataclass(frozen=True, slots=True)
class MacroShape:
    """Positions of the date, of a column that names the series (None: there is none), and of values by series.

    An empty name of a series means the file's own.
    """

    date: int
    series: int | None
    values: dict[str, int]
    width: int


def recognise_macro(header: Sequence[str]) -> MacroShape:
    """Return what the header tells.

    Raises:
        PoisonMessageError: it is not one of macro series.
    """
    names = [normal_name(name) for name in header]
    when = next((names.index(name) for name in _DATES if name in names), None)
    series = next((names.index(name) for name in _SERIES if name in names), None)
    if when is not None and "value" in names:
        return MacroShape(when, series, {"": names.index("value")}, len(names))
    others = {header[i].strip().strip('"'): i for i in range(len(names)) if i != when}
    if when is None or not others or not all(re.fullmatch(_NAME, name) for name in others):
        shown = ",".join(header)[:120]
        reason = f"its header '{shown}' is not that of a macro series; wanted is date,value or date,<SERIES>"
        raise PoisonMessageError(reason, WRONG_HEADER)
    return MacroShape(when, None, others, len(names))


class MacroFiles(FactFiles):
    """Source of macro series from a folder or file."""

    kind = "macro"

    def _facts(self, file: SourceFile, table: CsvText | ParquetTable) -> Iterator[Item]:
        shape = table.header(recognise_macro)
        if shape is None:
            yield Note(file.origin, "it has a header and no rows")
            return
        names = {"date": shape.date} | {f"value {name}": place for name, place in shape.values.items()}
        if shape.series is not None:
            names["series"] = shape.series
        period = 0
        for batch in table.batches(names):
            if not isinstance(batch, Batch):
                yield batch
                continue
            cells = _typed(batch.cells)
            period = period or _period_days(cells["date"])
            yield from self._of_batch(file, Batch(cells, batch.raw), period)

    def _of_batch(self, file: SourceFile, batch: Batch, period: int) -> Iterator[Item]:
        own = series_of_path(file.relative)
        for index, row in enumerate(batch.cells.iter_rows(named=True)):
            for name, text in row.items():
                if not name.startswith("value "):
                    continue
                series = row.get("series") or name.removeprefix("value ") or own
                if self._only and series not in self._only:
                    continue
                try:
                    yield Fact(series, _vintage(series, row, text, period), file.origin)
                except (ValidationError, ValueError) as error:
                    raw = batch.raw(index)
                    reason = f"{series}: {reason_of(error)}"
                    yield Refused(file.origin, row["row"], raw[:MAX_KEPT_BYTES], len(raw), reason, "bad_row")


def series_of_path(relative: str) -> str:
    """Return the series that a file's name tells: `macro/GDPC1.csv` is GDPC1."""
    return PurePosixPath(relative).name.split(".")[0].upper()


def _typed(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the cells with dates as dates where they can be read; values stay as they are."""
    cells = tidied(cells)
    dates = pl.col("date").cast(pl.String)
    return cells.with_columns(dates.alias("text"), dates.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False))


def _period_days(dates: pl.Series) -> int:
    """Return the usual number of days between two observations; at least 1."""
    gaps = dates.drop_nulls().unique().sort().diff().dt.total_days().drop_nulls()
    return max(1, int(gaps.median() or 1))  # type: ignore[arg-type]


def _vintage(series: str, row: dict[str, Any], cell: Any, period: int) -> MacroVintage:
    """Return the vintage of one cell.

    Raises:
        ValueError: the date or the value cannot be read.
    """
    if row.get("reason"):
        raise ValueError(row["reason"])
    if row["date"] is None:
        raise ValueError(f"the date '{row['text'] or ''}' cannot be read" if row["text"] else "the date is missing")
    value = None if cell is None or cell in _MISSING else float(cell)
    released_at, basis = release_of(series, row["date"], period)
    return MacroVintage(
        series=series,
        date=row["date"],
        value=value,
        released_at=released_at,
        released_basis=basis,
        latest_vintage=True,
        source="files",
    )
