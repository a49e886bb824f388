"""Which format a file has, by its name and its first bytes."""

from typing import Final

from producers.files import parquet_table
from producers.files.csv_text import CsvText
from producers.files.discovery import SourceFile
from producers.files.parquet_table import ParquetTable

_PARQUET: Final = (".parquet", ".pq")
_CSV: Final = (".csv", ".csv.gz", ".txt", ".txt.gz")


def open_table(file: SourceFile) -> CsvText | ParquetTable | None:
    """Return the file as a table; None when it is neither CSV nor Parquet.

    Raises:
        PoisonMessageError: it is a damaged Parquet file.
    """
    name = file.relative.lower()
    if name.endswith(_PARQUET) or file.head(4) == parquet_table.MAGIC:
        return ParquetTable(file)
    return CsvText(file) if name.endswith(_CSV) else None
