"""Frames as PostgreSQL's binary COPY stream, and back: whole columns by numpy, no value by itself.

The format (PostgreSQL manual, "COPY", Binary Format): a signature, then each row as a 16-bit count of its fields and
each field as a 32-bit length (-1: null) and its bytes, big-endian, then -1 as the count. Rows of a frame differ in
length only by nulls and texts. Mostly all rows of a chunk have the same nulls and the same lengths of texts: then one
layout fits all. Else they are laid out at the greatest length, and what is not there is cut out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.errors import ContractError

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
EPOCH_MICROSECONDS: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01 UTC."""

_CHUNK_ROWS: Final = 2_000
_LAYOUTS: Final = 4
"""Buffers, of a few MiB, that are kept at a time."""
_RUN_ROWS: Final = 250
"""Texts that stay the same for so many rows on average are not mixed in a chunk."""
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
    fields = {column.name: _field(column) for column in frame.drop(values).iter_columns()}
    layouts = _Layouts(fields, min(frame.height, _CHUNK_ROWS))
    nulls = sum(column.null_count() for column in numbers.iter_columns())
    for start, stop in _chunks(frame.height, [field.begins for field in fields.values()]):
        matrix = numbers.slice(start, stop - start).to_numpy()
        absent = np.isnan(matrix)
        nulls -= int(np.count_nonzero(absent))
        if np.isinf(matrix).any() or nulls < 0:
            raise ContractError("feature rows: a feature is NaN or infinite, not a number or null. Mend its formula.")
        yield layouts.encoded(slice(start, stop), matrix, absent)


def _chunks(height: int, begins: Sequence[NDArray[np.int64] | None]) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows that share their texts, small ones first, so that the server soon has something to do."""
    long = [places for places in begins if places is not None and len(places) * _RUN_ROWS <= height + _RUN_ROWS]
    ends = [*(np.unique(np.concatenate(long)).tolist() if long else [0]), height]
    start, size = 0, _CHUNK_ROWS // 8
    for end in ends[1:]:
        while start < end:
            yield start, min(start + size, end)
            start, size = min(start + size, end), min(size * 2, _CHUNK_ROWS)


class _Layouts:
    """Rows laid out at one width: where texts or nulls differ from row to row, what is too much is cut out again.

    Args:
        fields: The columns without nulls, all rows.
        height: The most rows that are asked for at a time.
    """

    def __init__(self, fields: Mapping[str, "_Field"], height: int) -> None:
        self._fields = fields
        self._height = height
        self._made: dict[tuple[tuple[str, ...], bytes, bool], _Layout] = {}

    def encoded(self, place: slice, matrix: NDArray[np.float32], absent: NDArray[np.bool_]) -> memoryview:
        """Return the bytes of the rows at `place`, which have these values; NaN where `absent`."""
        lacking = np.count_nonzero(absent, axis=0)
        lengths = {name: f.lengths[place] for name, f in self._fields.items() if f.lengths is not None}
        even = {name for name, found in lengths.items() if found.min() == found.max() > 0}
        gone = lacking == len(matrix)
        one_width = len(even) == len(lengths) and bool((gone | (lacking == 0)).all())
        if not one_width:
            gone[:] = False
        kinds = {name: field.content.dtype.str for name, field in self._fields.items()}
        kinds |= {name: f"S{lengths[name][0]}" for name in even}
        layout = self._layout(kinds, gone, one_width)
        rows = layout.rows[: len(matrix)]
        for name, field in self._fields.items():
            rows[name] = field.content[place]
            if name in lengths:
                rows[f"length {name}"] = lengths[name]
        for columns, values in layout.present:
            values[: len(matrix)]["value"] = matrix[:, columns]
        laid_out = rows.view(np.uint8).reshape(len(matrix), -1)
        if one_width:
            return laid_out.reshape(-1).data
        return laid_out[layout.sent(lengths, absent)].data

    def _layout(self, kinds: Mapping[str, str], gone: NDArray[np.bool_], one_width: bool) -> "_Layout":
        key = (tuple(kinds.values()), gone.tobytes(), one_width)
        if key not in self._made:
            if len(self._made) == _LAYOUTS:
                self._made.clear()
            self._made[key] = _Layout(kinds, gone, self._height)
        return self._made[key]


class _Layout:
    """A buffer of rows of one width.

    Args:
        kinds: numpy's type of each column without nulls.
        gone: Which of the columns after them are null in every row: they take no bytes but for their length.
        height: How many rows.

    Attributes:
        rows: The rows: `fields`, each column after its `length`, and the columns after them by their place.
        present: Slices of the columns after them that have values, and their records.
    """

    def __init__(self, kinds: Mapping[str, str], gone: NDArray[np.bool_], height: int) -> None:
        begins = np.flatnonzero(np.diff(gone, prepend=~gone[:1]))
        runs = [slice(int(a), int(b)) for a, b in pairwise([*begins, len(gone)])]
        layout: list[Any] = [("fields", ">i2")]
        for name, kind in kinds.items():
            layout += [(f"length {name}", ">i4"), (name, kind)]
        for run in runs:
            layout.append((f"values {run.start}", ">i4" if gone[run.start] else _VALUE, (run.stop - run.start,)))
        self.rows = np.empty(height, np.dtype(layout))
        self.rows["fields"] = len(kinds) + len(gone)
        self.present = []
        for name in kinds:
            self.rows[f"length {name}"] = self.rows.dtype[name].itemsize
        for run in runs:
            values = self.rows[f"values {run.start}"]
            if gone[run.start]:
                values[:] = -1
            else:
                values["length"] = 4
                self.present.append((run, values))
        self._sent: NDArray[np.bool_] | None = None

    def sent(self, lengths: Mapping[str, NDArray[np.int64]], absent: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which bytes of the rows are sent, of a layout where nothing is gone; write the values' lengths."""
        height, kind = len(absent), self.rows.dtype
        if self._sent is None:
            self._sent = np.ones((len(self.rows), kind.itemsize), bool)
        words = _with_words(kind)
        written = self.rows.view(words)["values"]["length"][:height]
        np.multiply(absent, _NO_LENGTH - _LENGTH, out=written, casting="unsafe")
        written += _LENGTH
        for name, found in lengths.items():
            first, width = _place(kind, name)
            self._sent[:height, first : first + width] = np.arange(width) < found[:, None]
        values = self._sent.reshape(-1).view(words)["values"]["value"]
        np.multiply(~absent, _ALL_SENT, out=values[:height], casting="unsafe")
        return self._sent[:height]


@dataclass(frozen=True, slots=True)
class _Field:
    """One column's bytes at a fixed width; of texts, the `lengths` row by row and where each run of one `begins`."""

    content: NDArray[np.generic]
    lengths: NDArray[np.int64] | None = None
    begins: NDArray[np.int64] | None = None


def _field(column: pl.Series) -> _Field:
    if column.dtype == pl.String:
        runs = column.rle().struct.unnest()  # a text stands in many rows that follow each other
        counts = runs["len"].to_numpy()
        encoded = np.array([text.encode() for text in runs["value"]], np.bytes_)
        lengths = np.strings.str_len(encoded)
        begins = np.cumsum(counts, dtype=np.int64) - counts
        return _Field(encoded.repeat(counts), lengths.repeat(counts), begins)
    content = column.to_numpy()
    if column.dtype.is_temporal():
        content = content.view(np.int64) - EPOCH_MICROSECONDS
    return _Field(content.astype(_BYTES[type(column.dtype)]))


def _with_words(kind: np.dtype[np.void]) -> np.dtype[np.void]:
    """Return the layout `kind`, in which nothing is gone, with a 32-bit word in place of each value."""
    first, width = _place(kind, "values 0")
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
