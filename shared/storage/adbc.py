"""Reading PostgreSQL by ADBC: whole columns by binary COPY, as Arrow batches and polars frames."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote, urlencode

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import polars as pl
import pyarrow as pa
from sqlalchemy import Engine

from shared.storage.postgres import CONNECT_SECONDS, SILENCE_MILLISECONDS, error_for

READ_MILLISECONDS: Final = 600_000
"""How long one query may take: a long history is read in one."""

_BATCH_BYTES: Final = 16 * 1024 * 1024
# Classes of SQLSTATE that say that the server cannot do it now, as psycopg2's OperationalError has them.
_UNWELL: Final = ("08", "40", "53", "54", "55", "57", "58", "XX")


@contextmanager
def read_batches(
    engine: Engine, query: str, settings: Mapping[str, str] | None = None
) -> Iterator[pa.RecordBatchReader]:
    """Provide a query's rows as Arrow batches of about 16 MiB, read as they are taken.

    Args:
        engine: Whose server, database and login are used, on a connection of its own.
        query: One SELECT; what it holds of names must be checked by the caller.
        settings: The server's settings for this connection, such as `enable_sort`.

    Raises:
        ConfigurationError: the server refuses the login, lacks the schema, or gives no right.
        TransientError: the server cannot be reached, went away, or cannot do it now.
    """
    try:
        with _connect(engine, settings or {}) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            cursor.execute(query)
            with cursor.fetch_record_batch() as reader:
                yield reader
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        code = getattr(error, "sqlstate", None)
        unwell = code is None or code.startswith(_UNWELL)
        raise error_for(engine.url, _words(error), code, unwell=unwell) or error from error


def read_frame(engine: Engine, query: str, settings: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Return a query's rows as a frame of several chunks, not copied together. Arguments, errors: `read_batches`."""
    with read_batches(engine, query, settings) as reader:
        table = pa.Table.from_batches(list(reader), reader.schema)
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  a table always becomes a DataFrame
    return frame


def _connect(engine: Engine, settings: Mapping[str, str]) -> Any:
    url = engine.url
    given = {"statement_timeout": str(READ_MILLISECONDS), **settings}  # over what the engine's connections have
    parameters = {
        "connect_timeout": str(CONNECT_SECONDS),
        "tcp_user_timeout": str(SILENCE_MILLISECONDS),
        "application_name": "tickerstream",
        "options": " ".join((str(url.query["options"]), *(f"-c {name}={value}" for name, value in given.items()))),
    }
    login = f"{quote(url.username or '', safe='')}:{quote(str(url.password or ''), safe='')}"
    query = urlencode(parameters, quote_via=quote)
    return adbc_driver_postgresql.dbapi.connect(f"postgresql://{login}@{url.host}:{url.port}/{url.database}?{query}")


def _words(error: Exception) -> str:
    """Return the server's own words: the driver puts its own before them."""
    return re.split(r"\[libpq\] |(?:ERROR|FATAL):  ", str(error))[-1]
