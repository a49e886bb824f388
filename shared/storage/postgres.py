"""PostgreSQL: the engine with its bounds, and errors that say who must act."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.errors import ConfigurationError, TransientError
from shared.settings import PostgresSettings

CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 60_000
_REFUSED_LOGINS = ("password authentication failed", "no password supplied", "role ", "does not exist")


def make_engine(settings: PostgresSettings) -> Engine:
    """Return an engine; connections are checked before use and statements end after a minute."""
    url = URL.create(
        "postgresql+psycopg2",
        username=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        host=settings.postgres_host,
        port=settings.postgres_port,
        database=settings.postgres_db,
    )
    options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c timezone=UTC"
    arguments = {"connect_timeout": CONNECT_SECONDS, "options": options, "application_name": "tickerstream"}
    return create_engine(url, pool_pre_ping=True, pool_size=2, connect_args=arguments)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Provide a connection in one transaction: committed at the end, rolled back on any error.

    Raises:
        ConfigurationError: the server refuses the login.
        TransientError: the server cannot be reached, or went away.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise _who_acts(error, engine.url) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _who_acts(error, engine.url) from error
        raise


def _who_acts(error: DBAPIError, url: URL) -> ConfigurationError | TransientError:
    reason = str(error.orig).strip().splitlines()[0]
    if any(sign in reason for sign in _REFUSED_LOGINS):
        return ConfigurationError(
            f"PostgreSQL at {url.host}:{url.port} refuses the login: {reason}. "
            "Check POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB."
        )
    return TransientError(
        f"PostgreSQL at {url.host}:{url.port} does not answer: {reason}. "
        "Is it up, and are POSTGRES_HOST and POSTGRES_PORT right?"
    )
