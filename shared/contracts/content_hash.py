"""A hash of a row's content that depends on the values only: not on library, version, platform or column order."""

import hashlib
import struct
from collections.abc import Sequence

import polars as pl

DIGEST_BYTES = 16
Value = str | float | int | bool | None


def content_hash(rows: pl.DataFrame) -> pl.Series:
    """Return one BLAKE2b digest (16 bytes, Binary) a row, in order. Columns that are null in a row do not count.

    Args:
        rows: Columns of String, Float64, integers, Boolean, Date or Datetime (counted as integers since 1970, so
            microseconds for the lake's), already in the order to be hashed in.
    """
    temporal = [name for name, kind in rows.schema.items() if kind.is_temporal()]
    plain = rows.with_columns(pl.col(temporal).to_physical())
    digests = [_digest(rows.columns, row) for row in plain.iter_rows()]
    return pl.Series(digests, dtype=pl.Binary)


def _digest(names: Sequence[str], row: Sequence[Value]) -> bytes:
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for name, value in zip(names, row, strict=True):
        if value is not None:
            hashed.update(_framed(name.encode()) + _rendered(value))
    return hashed.digest()


def _rendered(value: str | float | int | bool) -> bytes:
    """Return a type tag and the value's bytes, self-delimiting."""
    if isinstance(value, bool):
        return b"b1" if value else b"b0"
    if isinstance(value, int):
        return b"i" + struct.pack("<q", value)
    if isinstance(value, float):
        return b"f" + struct.pack("<d", value)
    return b"s" + _framed(value.encode())


def _framed(data: bytes) -> bytes:
    return struct.pack("<q", len(data)) + data
