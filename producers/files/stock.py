"""The files source of bars: each file is a unit of the run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from producers.files.bar_stream import bars_of
from producers.files.csv_text import CsvText
from producers.files.discovery import SourceFile, identity_of, place_of
from producers.files.formats import open_table
from producers.files.lean import read_lean_bars
from producers.files.options import FileOptions
from producers.files.parquet_table import ParquetTable
from producers.files.rows import RowReader
from producers.files.shape import recognise
from producers.files.tickers import ticker_of_path
from producers.files.units import FileUnits
from producers.source import Item, Note


class StockFiles(FileUnits):
    """Source of bars from a folder or file of CSV, CSV.gz, Parquet or Lean zips.

    Args:
        root: The folder or file.
        options: What a person told about the files.
    """

    def __init__(self, root: Path, options: FileOptions) -> None:
        super().__init__(root)
        self._options = options

    @property
    def identity(self) -> Mapping[str, Any]:
        """Return the state of the files and the options."""
        options = self._options
        return {
            "bars": identity_of(tuple(self._files.values())),
            "timezone": options.timezone,
            "adjusted": options.adjusted,
            "ticker": options.ticker,
            "tickers": sorted(options.tickers),
            "start": options.start and options.start.isoformat(),
            "end": options.end and options.end.isoformat(),
        }

    @property
    def run_set(self) -> str:
        """Return the place and the tickers."""
        return f"files bars {place_of(self._root)} {','.join(sorted(self._options.tickers))}".strip()

    def _read(self, file: SourceFile) -> Iterator[Item]:
        if file.relative.lower().endswith(".zip"):
            yield from read_lean_bars(file, self._options)
            return
        table = open_table(file)
        if table is None:
            yield Note(file.origin, "skipped: it is not CSV, CSV.gz, Parquet or a zip of Lean's")
            return
        yield from _bars(file, table, self._options)


def _bars(file: SourceFile, table: CsvText | ParquetTable, options: FileOptions) -> Iterator[Item]:
    """Yield the bars of a table.

    Raises:
        PoisonMessageError: the file as a whole is refused.
    """
    shape = table.header(recognise)
    if shape is None:
        yield Note(file.origin, "it has a header and no rows")
        return
    ticker = None
    if "ticker" not in shape.fields:
        ticker = options.ticker or ticker_of_path(file.relative)
    yield from bars_of(file, table.batches(shape.names), RowReader(options, ticker), options)
