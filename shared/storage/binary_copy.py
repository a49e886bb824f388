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
_BYTES: Final[dict[type[pl.DataType], str]] = {
    pl.Datetime: ">i8",
    pl.Int64: ">i8",
    pl.Int32: ">i4",
    pl.Float64: ">f8",
    pl.Boolean: "u1",
}


def encode(frame: pl.DataFrame, values: Sequence[str]) -> Iterator[bytes]:
    """Yield the frame as a binary COPY stream, some thousand rows at a time.

    Args:
        frame: Columns without nulls (String, Float64, Int64, Int32, Boolean, Datetime in UTC microseconds), then
            `values` (Float32, may be null), in the order of the COPY's columns.
        values: Names of the last columns.

    Raises:
        ContractError: a value is NaN or infinite.
    """
    yield SIGNATURE
    fixed, numbers = frame.drop(values), frame.select(values)
    for start in range(0, frame.height, _CHUNK_ROWS):
        yield _rows(fixed.slice(start, _CHUNK_ROWS), numbers.slice(start, _CHUNK_ROWS))
    yield TRAILER


@dataclass(frozen=True, slots=True)
class _Field:
    """One column's bytes at a fixed width; `lengths` where they differ from row to row."""

    content: NDArray[np.generic]
    lengths: NDArray[np.int64] | None


def _rows(columns: pl.DataFrame, numbers: pl.DataFrame) -> bytes:
    matrix = numbers.to_numpy(order="c")
    absent = np.isnan(matrix)
    if np.isinf(matrix).any() or absent.sum() != sum(column.null_count() for column in numbers.iter_columns()):
        raise ContractError(
            "feature rows: a feature is NaN or infinite; it must be a number or null. Mend its formula."
        )
    fixed = {column.name: _field(column) for column in columns.iter_columns()}
    layout: list[tuple[str, str] | tuple[str, str, int]] = [("fields", ">i2")]
    for name, field in fixed.items():
        layout += [(f"length {name}", ">i4"), (name, field.content.dtype.str)]
    kind = np.dtype([*layout, ("values", _VALUE, (numbers.width,))])
    rows = np.empty(columns.height, kind)
    rows["fields"] = columns.width + numbers.width
    for name, field in fixed.items():
        rows[f"length {name}"] = kind[name].itemsize if field.lengths is None else field.lengths
        rows[name] = field.content
    rows["values"]["value"] = matrix
    rows["values"]["length"] = np.where(absent, -1, 4)
    kept = _kept(kind, fixed, absent)
    return rows.tobytes() if kept is None else rows.view(np.uint8).reshape(len(rows), -1)[kept].tobytes()


def _field(column: pl.Series) -> _Field:
    if column.dtype == pl.String:
        texts = column.unique(maintain_order=True)
        encoded = np.array([text.encode() for text in texts])
        codes = column.replace_strict(texts, range(len(texts)), return_dtype=pl.Int64).to_numpy()
        lengths = np.strings.str_len(encoded)
        return _Field(encoded[codes], None if (lengths == encoded.itemsize).all() else lengths[codes])
    content = column.to_physical().to_numpy() if column.dtype.is_temporal() else column.to_numpy()
    if column.dtype.is_temporal():
        content = content - EPOCH_MICROSECONDS
    return _Field(content.astype(_BYTES[type(column.dtype)]), None)


def _kept(kind: np.dtype[np.void], fixed: dict[str, _Field], absent: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Return which byte of which row is sent; None where all are."""
    uneven = {name: field.lengths for name, field in fixed.items() if field.lengths is not None}
    if not uneven and not absent.any():
        return None
    kept = np.ones((len(absent), kind.itemsize), bool)
    for name, lengths in uneven.items():
        start, width = _place(kind, name)
        kept[:, start : start + width] = np.arange(width) < lengths[:, None]
    start, _ = _place(kind, "values")
    of_values = kept[:, start:].reshape(*absent.shape, _VALUE.itemsize)
    of_values[:, :, 4:] = ~absent[:, :, None]
    return kept


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
