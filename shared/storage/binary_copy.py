"""Frames as PostgreSQL's binary COPY stream, and back: whole columns by numpy, no value by itself.

The format (PostgreSQL manual, "COPY", Binary Format): a signature, then each row as a 16-bit count of its fields and
each field as a 32-bit length (-1: null) and its bytes, big-endian, then -1 as the count. Rows of a frame differ in
length only by nulls and texts, so they are laid out at the greatest length, and what is not there is cut out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.errors import ContractError

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
EPOCH_MICROSECONDS: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01 UTC."""

_CHUNK_ROWS: Final = 2_000
_VALUE: Final = np.dtype([("length", ">i4"), ("value", ">f4")])
_LENGTH: Final = np.frombuffer((4).to_bytes(4), np.uint32)[0]
"""Of a value that is there, as this machine reads the word that is sent."""
_NO_LENGTH: Final = np.uint32(0xFFFFFFFF)
"""Of a value that is absent."""
_ALL_SENT: Final = np.uint32(0x01010101)
"""Four bytes, each of them true."""
_BYTES: Final[dict[type[pl.DataType], str]] = {
    pl.Datetime: ">i8",
    pl.Int64: ">i8",
    pl.Int32: ">i4",
    pl.Float64: ">f8",
    pl.Boolean: "u1",
}


def encode(frame: pl.DataFrame, values: Sequence[str]) -> Iterator[memoryview]:
    """Yield the frame as a binary COPY stream, some thousand rows at a time; a piece is good until the next one.

    Args:
        frame: Columns without nulls (String, Float64, Int64, Int32, Boolean, Datetime in UTC microseconds), then
            `values` (Float32, may be null), in the order of the COPY's columns.
        values: Names of the last columns.

    Raises:
        ContractError: a value is NaN or infinite.
    """
    yield memoryview(SIGNATURE)
    if frame.height:
        yield from _pieces(frame, values)
    yield memoryview(TRAILER)


def _pieces(frame: pl.DataFrame, values: Sequence[str]) -> Iterator[memoryview]:
    numbers = frame.select(values)
    layout = _Layout(frame.drop(values), numbers.width)
    nulls = sum(column.null_count() for column in numbers.iter_columns())
    for start, stop in _chunks(frame.height):
        matrix = numbers.slice(start, stop - start).to_numpy()
        absent = np.isnan(matrix)
        nulls -= int(np.count_nonzero(absent))
        if np.isinf(matrix).any() or nulls < 0:
            raise ContractError("feature rows: a feature is NaN or infinite, not a number or null. Mend its formula.")
        yield layout.rows(start, matrix, absent)


def _chunks(height: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows, small ones first, so that the server soon has something to do."""
    start, size = 0, _CHUNK_ROWS // 8
    while start < height:
        yield start, min(start + size, height)
        start, size = start + size, min(size * 2, _CHUNK_ROWS)


class _Layout:
    """Rows at their greatest length, and which of their bytes are sent.

    Args:
        columns: The columns without nulls, all rows.
        width: Number of the columns after them.
    """

    def __init__(self, columns: pl.DataFrame, width: int) -> None:
        self._fixed = {column.name: _field(column) for column in columns.iter_columns()}
        layout: list[tuple[str, str] | tuple[str, np.dtype[np.void], int]] = [("fields", ">i2")]
        for name, field in self._fixed.items():
            layout += [(f"length {name}", ">i4"), (name, field.content.dtype.str)]
        kind = np.dtype([*layout, ("values", _VALUE, (width,))])
        self._rows = np.empty(min(columns.height, _CHUNK_ROWS), kind)
        self._rows["fields"] = columns.width + width
        self._sent = np.ones((len(self._rows), kind.itemsize), bool)
        self._lengths = self._rows.view(_with_words(kind))["values"]["length"]
        self._values_sent = self._sent.reshape(-1).view(_with_words(kind))["values"]["value"]
        self._uneven = any(field.lengths is not None for field in self._fixed.values())

    def rows(self, start: int, matrix: NDArray[np.float32], absent: NDArray[np.bool_]) -> memoryview:
        """Return the bytes of the rows from `start` on, which have these values; NaN where `absent`."""
        height = len(matrix)
        rows, sent = self._rows[:height], self._sent[:height]
        for name, field in self._fixed.items():
            place = slice(start, start + height)
            rows[name] = field.content[place]
            lengths = rows.dtype[name].itemsize if field.lengths is None else field.lengths[place]
            rows[f"length {name}"] = lengths
            if field.lengths is not None:
                first, width = _place(rows.dtype, name)
                sent[:, first : first + width] = np.arange(width) < field.lengths[place, None]
        rows["values"]["value"] = matrix
        lengths_sent = self._lengths[:height]
        np.multiply(absent, _NO_LENGTH - _LENGTH, out=lengths_sent, casting="unsafe")
        lengths_sent += _LENGTH
        laid_out = rows.view(np.uint8).reshape(height, -1)
        if not self._uneven and not absent.any():
            return laid_out.reshape(-1).data
        np.multiply(~absent, _ALL_SENT, out=self._values_sent[:height], casting="unsafe")
        return laid_out[sent].data


@dataclass(frozen=True, slots=True)
class _Field:
    """One column's bytes at a fixed width; `lengths` where they differ from row to row."""

    content: NDArray[np.generic]
    lengths: NDArray[np.int64] | None


def _field(column: pl.Series) -> _Field:
    if column.dtype == pl.String:
        runs = column.rle().struct.unnest()  # a text stands in many rows that follow each other
        counts = runs["len"].to_numpy()
        encoded = np.array([text.encode() for text in runs["value"]], np.bytes_)
        lengths = np.strings.str_len(encoded)
        even = (lengths == encoded.itemsize).all()
        return _Field(encoded.repeat(counts), None if even else lengths.repeat(counts))
    content = column.to_numpy()
    if column.dtype.is_temporal():
        content = content.view(np.int64) - EPOCH_MICROSECONDS
    return _Field(content.astype(_BYTES[type(column.dtype)]), None)


def _with_words(kind: np.dtype[np.void]) -> np.dtype[np.void]:
    """Return the layout `kind` with a 32-bit word in place of each value."""
    first, width = _place(kind, "values")
    value = np.dtype([("length", np.uint32), ("value", np.uint32)])
    return np.dtype([("before", np.void, first), ("values", value, (width // value.itemsize,))])


def _place(kind: np.dtype[np.void], name: str) -> tuple[int, int]:
    """Return where a field begins, and its width, in bytes."""
    assert kind.fields is not None  # noqa: S101  it is a record
    return kind.fields[name][1], kind.fields[name][0].itemsize


def decode(data: bytes, columns: Mapping[str, pl.DataType], values: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a binary COPY stream that has no null and no text: every row has the same width.

    Args:
        data: The whole stream.
        columns: Its first columns (Float64, Int64, Int32, Boolean, Datetime in UTC microseconds).
        values: Its other columns, 32-bit floats; NaN becomes null.
    """
    layout: list[tuple[str, str] | tuple[str, np.dtype[np.void], int]] = [("fields", ">i2")]
    for name, kind in columns.items():
        layout += [(f"length {name}", ">i4"), (name, _BYTES[type(kind)])]
    record = np.dtype([*layout, ("values", _VALUE, (len(values),))])
    rows = np.frombuffer(
        data, record, count=(len(data) - len(SIGNATURE) - len(TRAILER)) // record.itemsize, offset=len(SIGNATURE)
    )
    found = {name: _series(name, kind, rows[name]) for name, kind in columns.items()}
    matrix = rows["values"]["value"].astype(np.float32)
    numbers = pl.DataFrame(matrix, schema=dict.fromkeys(values, pl.Float32)).fill_nan(None)
    return pl.concat([pl.DataFrame(found), numbers], how="horizontal")


def _series(name: str, kind: pl.DataType, content: NDArray[np.generic]) -> pl.Series:
    native = content.astype(content.dtype.newbyteorder("="))
    if isinstance(kind, pl.Datetime):
        return pl.Series(name, native + EPOCH_MICROSECONDS).cast(kind)
    return pl.Series(name, native).cast(kind)
