"""Blocks of CSV to tables of text, a row a line; a damaged line spoils nothing but itself."""

from functools import cached_property
from typing import Final

import polars as pl

from producers.files.lines import Block

SEPARATORS: Final = (",", ";", "\t", "|")
_EXTRA: Final = "more"
_TOO_MANY: Final = "it has more cells than the header"


def split_line(line: bytes, separator: str) -> list[str]:
    """Return the cells of one line, unquoted."""
    text = line.decode("utf-8-sig", errors="replace").rstrip("\r\n")
    return [cell.strip().strip('"') for cell in text.split(separator)]


class CsvTable:
    """The rows of one block.

    Args:
        block: Whole lines.
        separator: What stands between cells.
        width: How many cells a row has.
        header: Number of the header's line; -1 where the file has none.
    """

    def __init__(self, block: Block, separator: str, width: int, header: int) -> None:
        self._block = block
        self._separator = separator
        self._width = width
        self._header = header

    @cached_property
    def lines(self) -> list[bytes]:
        """Return the block's lines that are not blank."""
        return [line for line in self._block.data.split(b"\n") if line.strip()]

    def raw(self, index: int) -> bytes:
        """Return the bytes of the row at `index`, without its line end."""
        return self.lines[index].rstrip(b"\r")

    def cells(self, names: dict[str, int]) -> pl.DataFrame:
        """Return the columns at positions `names` as text, null where empty, with `row`, and `reason` if any is bad."""
        table = self._parsed(self._block.data)
        numbers = pl.int_range(self._first_row, self._first_row + table.height, dtype=pl.Int64, eager=True)
        if b"\n\n" in self._block.data or b"\n\r" in self._block.data or self._block.data[:1] in b"\r\n":
            blank = [bool(line.strip()) for line in self._block.data.split(b"\n")[: self._block.lines]]
            numbers = pl.int_range(self._first_row, self._first_row + len(blank), dtype=pl.Int64, eager=True)
            numbers = numbers.filter(pl.Series(blank))
            table = self._parsed(b"\n".join(self.lines))
        chosen = [pl.col(f"c{position}").alias(name) for name, position in names.items()]
        if table[_EXTRA].null_count() < table.height:
            chosen.append(pl.when(pl.col(_EXTRA).is_not_null()).then(pl.lit(_TOO_MANY)).alias("reason"))
        return table.select(numbers.alias("row"), *chosen)

    @property
    def _first_row(self) -> int:
        return self._block.first - self._header

    def _parsed(self, data: bytes) -> pl.DataFrame:
        """Return `data` as text, one row a line."""
        if b'"' in data:
            table = self._quoted(data)
            if table is not None:
                return table
        return _tidied(self._read(data, None), data, self._separator)

    def _quoted(self, data: bytes) -> pl.DataFrame | None:
        """Return the table with quotes understood; None where a quote is not closed in its line."""
        try:
            table = self._read(data, '"')
        except pl.exceptions.ComputeError:
            return None
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        return table if table.height == lines else None

    def _read(self, data: bytes, quote: str | None) -> pl.DataFrame:
        return pl.read_csv(
            data,
            has_header=False,
            separator=self._separator,
            quote_char=quote,
            schema={**{f"c{i}": pl.String() for i in range(self._width)}, _EXTRA: pl.String()},
            missing_columns="insert",
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
        )


def _tidied(table: pl.DataFrame, data: bytes, separator: str) -> pl.DataFrame:
    """Return the table without blanks and quotes around cells."""
    mark = separator.encode()
    if b'"' in data or b" " + mark in data or mark + b" " in data or b" \n" in data or b" \r" in data:
        stripped = pl.all().str.strip_chars(' "')
        return table.select(pl.when(stripped != "").then(stripped).name.keep())
    return table
