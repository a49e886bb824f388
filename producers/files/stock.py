"""The files source of bars: each file is a unit of the run."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from producers.files.bar_stream import bars_of
from producers.files.csv_text import CsvText
from producers.files.discovery import SourceFile, find_files, identity_of, place_of
from producers.files.formats import open_table
from producers.files.lean import read_lean_bars
from producers.files.options import FileOptions
from producers.files.parquet_table import ParquetTable
from producers.files.refusal import refused_whole
from producers.files.rows import RowReader
from producers.files.shape import recognise
from producers.files.tickers import ticker_of_path
from producers.source import Item, Note, Unit


class StockFiles:
    """Source of bars from a folder or file of CSV, CSV.gz, Parquet or Lean zips.

    Args:
        root: The folder or file.
        options: What a person told about the files.
    """

    name = "files"
    simulated = False

    def __init__(self, root: Path, options: FileOptions) -> None:
        self._root = root
        self._options = options

    @cached_property
    def _files(self) -> Mapping[str, SourceFile]:
        return {file.relative: file for file in find_files(self._root)}

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

    def units(self) -> Sequence[Unit]:
        """Return the files."""
        return [file.unit for file in self._files.values()]

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield a file's bars; what is wrong with it comes as refused items."""
        file = self._files[unit.id]
        yield from refused_whole(file, self._read(file))

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
