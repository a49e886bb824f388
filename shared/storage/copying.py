"""COPY in and out on the caller's connection, in the caller's transaction, by psycopg2."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import polars as pl
import psycopg2
from sqlalchemy import Connection

from shared.storage.binary_copy import decode, encode

_READ_BYTES: Final = 1 << 20


def quoted(names: Sequence[str]) -> str:
    """Return names of columns, quoted and joined by commas. They must be checked already."""
    return ", ".join(f'"{name}"' for name in names)


def copy_in(connection: Connection, table: str, frame: pl.DataFrame, values: Sequence[str]) -> None:
    """Add the frame's rows to a table; what is encoded next overlaps with what the server stores.

    Args:
        connection: Of the caller's transaction.
        table: Where to; the frame's columns are the table's.
        frame: As `shared.storage.binary_copy.encode` takes it.
        values: Names of its Float32 columns, which are its last ones.

    Raises:
        ContractError: a value is NaN or infinite.
    """
    statement = f"COPY {table} ({quoted(frame.columns)}) FROM STDIN (FORMAT binary)"
    stream = _Stream(encode(frame, values))
    with _cursor(connection) as cursor:
        try:
            cursor.copy_expert(statement, stream, _READ_BYTES)
        except psycopg2.Error:
            if stream.failure is not None:
                raise stream.failure from None
            raise


def copy_out(
    connection: Connection,
    query: str,
    arguments: Mapping[str, object],
    columns: Mapping[str, pl.DataType],
    values: Sequence[str],
) -> pl.DataFrame:
    """Return a query's rows.

    Args:
        connection: Of the caller's transaction, whose own changes are seen.
        query: A SELECT with %(name)s for arguments, of columns without null or text: `columns`, then `values`.
        arguments: Their values.
        columns: Its first columns.
        values: Its other columns, REAL; NaN becomes null.
    """
    found = io.BytesIO()
    with _cursor(connection) as cursor:
        statement = cursor.mogrify(query, arguments).decode()
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT binary)", found, _READ_BYTES)
    return decode(found.getvalue(), columns, values)


def _cursor(connection: Connection) -> Any:
    return connection.connection.cursor()


class _Stream:
    """A file of pieces that are made as they are read."""

    def __init__(self, pieces: Iterator[memoryview]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")
        self._at = 0
        self.failure: Exception | None = None
        """Why the next piece could not be made: the driver tells only that reading failed."""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        if self._at == len(self._piece):
            try:
                self._piece, self._at = next(self._pieces, memoryview(b"")), 0
            except Exception as error:
                self.failure = error
                raise
        read = bytes(self._piece[self._at : self._at + size])
        self._at += len(read)
        return read
