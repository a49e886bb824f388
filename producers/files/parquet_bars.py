"""Bars in Parquet, read a piece of a row group at a time."""

import json
from collections.abc import Iterator
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from producers.files.bar_stream import bars_of
from producers.files.csv_bars import names_of
from producers.files.discovery import SourceFile
from producers.files.options import FileOptions
from producers.files.rows import Batch, RowReader
from producers.files.shape import recognise
from producers.files.tickers import ticker_of_path
from producers.source import Item, Note, Refused
from shared.errors import PoisonMessageError

MAGIC: Final = b"PAR1"
_ROWS: Final = 65_536


def read_parquet_bars(file: SourceFile, options: FileOptions) -> Iterator[Item]:
    """Yield the bars of a Parquet file.

    Raises:
        PoisonMessageError: the file as a whole is refused.
    """
    try:
        content = pq.ParquetFile(file.path)
    except (pa.ArrowException, OSError) as error:
        raise PoisonMessageError(
            f"it is no whole Parquet file ({_line(error)}); get it again", "corrupt_file"
        ) from None
    with content:
        shape = recognise(content.schema_arrow.names)
        if not content.metadata.num_rows:
            yield Note(file.origin, "it has columns and no rows")
            return
        ticker = None
        if "ticker" not in shape.fields:
            ticker = options.ticker or ticker_of_path(file.relative)
        names = {name: content.schema_arrow.names[position] for name, position in names_of(shape).items()}
        yield from bars_of(file, _batches(file, content, names), RowReader(options, ticker), options)


def _batches(file: SourceFile, content: pq.ParquetFile, names: dict[str, str]) -> Iterator[Batch | Item]:
    row = 0
    try:
        for part in content.iter_batches(_ROWS, columns=sorted(set(names.values()))):
            frame = pl.from_arrow(pa.table(part))
            assert isinstance(frame, pl.DataFrame)  # noqa: S101  a table always becomes a DataFrame
            numbers = pl.int_range(row + 1, row + 1 + frame.height, dtype=pl.Int64, eager=True).alias("row")
            cells = frame.select(numbers, *(pl.col(column).alias(name) for name, column in names.items()))
            yield Batch(cells, _raw_of(frame))
            row += frame.height
    except (pa.ArrowException, OSError) as error:
        reason = f"damaged after row {row:,} ({_line(error)}); all rows up to there are read"
        yield Refused(file.origin, row + 1, b"", file.size, reason, "truncated_file", rows=0)


def _raw_of(frame: pl.DataFrame):  # type: ignore[no-untyped-def]
    return lambda index: json.dumps(frame.row(index, named=True), default=str).encode()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
