"""Parquet files, read a piece of a row group at a time."""

import json
from collections.abc import Iterator
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from producers.files.discovery import SourceFile
from producers.files.table import Batch, Recognise, S
from producers.source import Item, Refused
from shared.errors import PoisonMessageError

MAGIC: Final = b"PAR1"
_ROWS: Final = 65_536


class ParquetTable:
    """The columns of a Parquet file, then its rows in batches.

    Args:
        file: The file.

    Raises:
        PoisonMessageError: it is no whole Parquet file.
    """

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        try:
            self._content = pq.ParquetFile(file.path)
        except (pa.ArrowException, OSError) as error:
            reason = f"it is no whole Parquet file ({_line(error)}); get it again"
            raise PoisonMessageError(reason, "corrupt_file") from None

    def header(self, recognise: Recognise[S]) -> S | None:
        """Return what the columns tell; None when there are no rows.

        Raises:
            PoisonMessageError: they mean nothing.
        """
        shape = recognise(self._content.schema_arrow.names)
        return shape if self._content.metadata.num_rows else None

    def batches(self, names: dict[str, int]) -> Iterator[Batch | Item]:
        """Yield the rows, and what is refused among them as damaged."""
        columns = {name: self._content.schema_arrow.names[position] for name, position in names.items()}
        row = 0
        try:
            with self._content:
                for part in self._content.iter_batches(_ROWS, columns=sorted(set(columns.values()))):
                    yield _batch(pa.table(part), row, columns)
                    row += part.num_rows
        except (pa.ArrowException, OSError) as error:
            reason = f"damaged after row {row:,} ({_line(error)}); all rows up to there are read"
            yield Refused(self._file.origin, row + 1, b"", self._file.size, reason, "truncated_file", rows=0)


def _batch(table: pa.Table, before: int, columns: dict[str, str]) -> Batch:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  a table always becomes a DataFrame
    numbers = pl.int_range(before + 1, before + 1 + frame.height, dtype=pl.Int64, eager=True).alias("row")
    cells = frame.select(numbers, *(pl.col(column).alias(name) for name, column in columns.items()))
    return Batch(cells, lambda index: json.dumps(frame.row(index, named=True), default=str).encode())


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
