"""A lake object as bytes: plain Parquet (zstd, statistics), proved by its own footer before it is written."""

import io
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from consumers.lineage import KEY, Lineage

_ZSTD_LEVEL: Final = 3


class UnreadableParquetError(Exception):
    """These bytes are not a Parquet file, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Content:
    """What an object holds: versions of facts, and which records they came from."""

    versions: pl.DataFrame
    lineage: Lineage


def encode(content: Content) -> bytes:
    """Return the object's bytes.

    Raises:
        UnreadableParquetError: what was made cannot be read back: a defect, nothing may be written.
    """
    sink = io.BytesIO()
    content.versions.write_parquet(
        sink,
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        statistics="full",
        metadata={KEY: content.lineage.to_json()},
    )
    data = sink.getvalue()
    rows = _footer(data).num_rows
    if rows != content.versions.height:
        raise UnreadableParquetError(f"the footer tells of {rows} rows, but {content.versions.height} were written")
    return data


def decode(data: bytes) -> Content:
    """Return what the object holds.

    Raises:
        UnreadableParquetError: these bytes are not a whole Parquet file.
    """
    metadata = _footer(data).metadata or {}
    try:
        versions = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableParquetError(str(error).partition("\n")[0]) from error
    return Content(versions, Lineage.from_json(metadata.get(KEY.encode(), b"{}")))


def _footer(data: bytes) -> pq.FileMetaData:
    try:
        return pq.read_metadata(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise UnreadableParquetError(str(error).partition("\n")[0]) from error
