"""Blocks of CSV to tables of text, a row a line; a damaged line spoils nothing but itself."""

import csv
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from producers.files.lines import Block

SEPARATORS: Final = (",", ";", "\t", "|")
_EXTRA: Final = "more"
_MANY: Final = "many"
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
        self._filled: list[int] | None = None  # lines that are rows, where not all are

    @cached_property
    def _lines(self) -> list[bytes]:
        return self._block.data.split(b"\n")[: self._block.lines]

    def raw(self, index: int) -> bytes:
        """Return the bytes of the row at `index`, without its line end."""
        line = index if self._filled is None else self._filled[index]
        return self._lines[line].rstrip(b"\r")

    def cells(self, names: dict[str, int]) -> pl.DataFrame:
        """Return the columns at positions `names` as text, null where empty, with `row`, and `reason` if any is bad."""
        table = self._parsed(self._block.data)
        table = table.with_columns(pl.Series(_MANY, self._too_wide(table)))
        first = self._block.first - self._header
        numbers = pl.int_range(first, first + table.height, dtype=pl.Int64, eager=True)
        if table["c0"].null_count():  # perhaps blank lines, which are no rows
            self._filled = [place for place, line in enumerate(self._lines) if line.rstrip(b"\r")]
            table, numbers = table[self._filled], numbers.gather(self._filled)
        chosen = [pl.col(f"c{position}").alias(name) for name, position in names.items()]
        if table[_MANY].any():
            chosen.append(pl.when(pl.col(_MANY)).then(pl.lit(_TOO_MANY)).alias("reason"))
        return table.select(numbers.alias("row"), *chosen)

    def _too_wide(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Return which lines have more cells than a row has, be they empty: `1,5,` may be a decimal comma."""
        wide = table[_EXTRA].is_not_null().to_numpy().copy()
        content = np.frombuffer(self._block.data, np.uint8)
        ends = np.append(np.flatnonzero(content == ord("\n")), len(content))[: table.height]
        separators = np.flatnonzero(content == ord(self._separator))
        counts = np.diff(np.searchsorted(separators, ends), prepend=0)
        for place in np.flatnonzero(~wide & (counts >= self._width)):
            text = self._lines[place].decode(errors="replace")
            quoted = b'"' in self._block.data
            wide[place] = not quoted or len(next(csv.reader([text], delimiter=self._separator))) > self._width
        return wide

    def _parsed(self, data: bytes) -> pl.DataFrame:
        """Return `data` as text, one row a line."""
        if b'"' in data:
            table = self._quoted(data)
            if table is not None:
                return table
        return self._read(data, None)

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


def tidied(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the table without blanks and quotes around texts; null where nothing is left."""
    text = pl.col(pl.String).exclude("reason").str.strip_chars(" ").str.replace(r'^"(.*)"$', "$1").str.strip_chars(" ")
    return cells.with_columns(pl.when(text != "").then(text))
