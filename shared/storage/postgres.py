"""PostgreSQL: the engine with its bounds, and errors that say who must act."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg2
from psycopg2.extensions import encrypt_password
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError

from shared.errors import ConfigurationError, TransientError
from shared.settings import PostgresSettings

CONNECT_SECONDS: Final = 5
STATEMENT_MILLISECONDS: Final = 60_000
SILENCE_MILLISECONDS: Final = 30_000
# libpq gives no code for a refused login, only words.
_REFUSED_LOGIN: Final = re.compile(
    r'password authentication failed|no password supplied|no pg_hba\.conf entry|(role|database) "[^"]*" does not exist'
    r"|permission denied for database|is not permitted to log in"
)
_MISSING: Final = {"42P01", "42703", "3F000"}  # table, column, schema
_NO_RIGHT: Final = "42501"


def make_engine(settings: PostgresSettings) -> Engine:
    """Return an engine; connections are checked before use, and a statement, or silence in a transaction, ends in time.

    A process that is stopped in the middle of a transaction would hold its locks, and with them whoever takes over.
    """
    options = (
        f"-c statement_timeout={STATEMENT_MILLISECONDS} -c timezone=UTC "
        f"-c idle_in_transaction_session_timeout={round(1000 * settings.postgres_idle_seconds)}"
    )
    url = URL.create(
        "postgresql+psycopg2",
        username=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        host=settings.postgres_host,
        port=settings.postgres_port,
        database=settings.postgres_db,
        query={"options": options},
    )
    arguments = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": SILENCE_MILLISECONDS,
        "application_name": "tickerstream",
    }
    return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args=arguments)


@contextmanager
def open_engine(settings: PostgresSettings) -> Iterator[Engine]:
    """Provide an engine for the block; its connections are closed at the end."""
    engine = make_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def password_verifier(connection: Connection, role: str, password: str) -> str:
    """Return what PostgreSQL stores of a role's password (SCRAM-SHA-256), for statements that must not tell it."""
    client = connection.connection.driver_connection
    return str(encrypt_password(password, role, scope=client, algorithm="scram-sha-256"))


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Provide a connection in one transaction: committed at the end, rolled back on any error.

    Raises:
        ConfigurationError: the server refuses the login, lacks the schema, or gives no right.
        TransientError: the server cannot be reached, went away, or cannot do it now.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        lost = error.connection_invalidated or isinstance(error.orig, psycopg2.OperationalError)
        code = getattr(error.orig, "pgcode", None)
        raise error_for(engine.url, str(error.orig), code, unwell=lost) or error from error
    except psycopg2.Error as error:  # of a COPY, which goes past SQLAlchemy
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        raise error_for(engine.url, str(error), error.pgcode, unwell=lost) or error from error


def error_for(url: URL, message: str, code: str | None, *, unwell: bool) -> ConfigurationError | TransientError | None:
    """Return the error of ours for one of a driver; None for one that is a defect, such as a violated constraint.

    Args:
        url: Where the server is.
        message: The driver's words; the first line is shown.
        code: The SQLSTATE; None where the server did not give one.
        unwell: Whether the driver says that the server, or the way to it, is unwell.
    """
    reason = (message.strip().splitlines() or ["no reason given"])[0]
    where = f"PostgreSQL at {url.host}:{url.port}"
    if _REFUSED_LOGIN.search(reason):
        return ConfigurationError(
            f"{where} refuses the login: {reason}. Check POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB."
        )
    if code in _MISSING:
        return ConfigurationError(f"{where} lacks a part of the schema: {reason}. Run `python -m infra.provision`.")
    if code == _NO_RIGHT:
        return ConfigurationError(f"{where} gives no right: {reason}. Grant it to POSTGRES_USER {url.username}.")
    if code is not None and unwell:
        return TransientError(f"{where} could not do it now: {reason}. See the server's log.")
    if unwell:
        return TransientError(
            f"{where} does not answer: {reason}. Is it up, and are POSTGRES_HOST and POSTGRES_PORT right?"
        )
    return None
