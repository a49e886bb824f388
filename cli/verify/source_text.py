"""CSV text of source files: fast by pyarrow where every cell is what it should be, else row by row by pandas."""

import csv
import gzip
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.csv

_DELIMITERS: Final = ",;\t|"
_BLOCK: Final = 8 << 20
_PIECE: Final = 1 << 16
_LONGEST_HEADER: Final = 1 << 16
_NUMBERS: Final = ("open", "high", "low", "close", "volume")


def read_csv(path: Path) -> tuple[pa.Table, str]:
    """Return a file as a table, and what damage ended it early (empty: none).

    Numbers are numbers where every row has one, else all columns are text.

    Raises:
        OSError, ValueError, pa.ArrowException: nothing of it can be read.
    """
    header = _first_line(path)
    delimiter = max(_DELIMITERS, key=header.count)
    names = [name.strip().strip('"') for name in header.split(delimiter)]
    try:
        return pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(block_size=_BLOCK),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.float64() for name in names if name.strip().lower() in _NUMBERS}
            ),
        ), ""
    except (pa.ArrowException, OSError):
        return _read_row_by_row(path, delimiter)


def _read_row_by_row(path: Path, delimiter: str) -> tuple[pa.Table, str]:
    """Return all columns as text; a line with too many fields is left out, so is what follows damage.

    pandas takes the first line behind the header for the number of fields: one is put there that has as many.
    """
    data, damage = _content(path)
    text = data.lstrip(b"\r\n")
    header = re.split(rb"[\r\n]", text, maxsplit=1)[0]
    fields = len(next(csv.reader([header.decode(errors="replace")], delimiter=delimiter), ()))
    first = b"\n-" + delimiter.encode() * (fields - 1)
    told = io.BytesIO(header + first + text[len(header) :] if header else b"")
    frame = pd.read_csv(told, sep=delimiter, dtype=str, on_bad_lines="skip", encoding_errors="replace")
    return pa.Table.from_pandas(frame[1:], preserve_index=False), damage


def _content(path: Path) -> tuple[bytes, str]:
    """Return the file's whole lines up to where packed data end early, and what ended them."""
    data = bytearray()
    try:
        for piece in _pieces(path):
            data += piece
    except EOFError:
        whole = data.rfind(b"\n") + 1
        return bytes(data[:whole]), f"it ends early, after {whole:,} bytes"
    return bytes(data), ""


def _first_line(path: Path) -> str:
    """Return the header; empty where there is none."""
    start = b""
    with suppress(EOFError):
        for piece in _pieces(path):
            start += piece
            if b"\n" in piece or len(start) > _LONGEST_HEADER:
                break
    return start.partition(b"\n")[0].decode(errors="replace").lstrip("\ufeff").rstrip("\r")


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield the content, unpacked if the name says gzip.

    Raises:
        EOFError: packed data end early; all before was yielded.
        OSError, zlib.error: they are damaged.
    """
    if not path.name.lower().endswith(".gz"):
        with path.open("rb") as file:
            yield from iter(lambda: file.read(_PIECE), b"")
        return
    with gzip.open(path) as packed:
        yield from iter(lambda: packed.read1(_PIECE), b"")  # read() would drop what comes before an early end
