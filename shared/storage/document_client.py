"""The client of the document store, and its errors by who must act."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from bson.errors import InvalidDocument
from pymongo import MongoClient
from pymongo.errors import ConfigurationError as MongoConfigurationError
from pymongo.errors import ConnectionFailure, DuplicateKeyError, ExecutionTimeout, OperationFailure

from shared.errors import ConfigurationError, ContractError, TransientError
from shared.settings import MongoSettings

ANSWER_MILLISECONDS: Final = 5_000
UNAUTHORIZED: Final = 13
WRONG_LOGIN: Final = 18
NO_SUCH_COMMAND: Final = 59  # what the embedded server gives for what it does not know
_REFUSED: Final = frozenset({UNAUTHORIZED, WRONG_LOGIN})

Client = MongoClient[dict[str, Any]]


def document_client(settings: MongoSettings, answer_milliseconds: int = ANSWER_MILLISECONDS) -> Client:
    """Return a client; nothing is asked of the server yet. MONGO_USER and MONGO_PASSWORD go before what MONGO_URI has.

    Raises:
        ConfigurationError: MONGO_URI is no address.
    """
    login: dict[str, Any] = {}
    if settings.mongo_user:
        password = settings.mongo_password.get_secret_value() if settings.mongo_password else ""
        login = {"username": settings.mongo_user, "password": password}
    try:
        return MongoClient(
            settings.mongo_uri.get_secret_value(),
            tz_aware=True,
            connect=False,
            appname="tickerstream",
            serverSelectionTimeoutMS=answer_milliseconds,
            connectTimeoutMS=answer_milliseconds,
            socketTimeoutMS=answer_milliseconds,
            **login,
        )
    except (MongoConfigurationError, ValueError) as error:
        raise ConfigurationError(f"MONGO_URI is not an address: {error}. Set it as mongodb://host:port.") from None


def place_of(settings: MongoSettings) -> str:
    """Return the store's name for people, without a password."""
    netloc = urlsplit(settings.mongo_uri.get_secret_value()).netloc
    return f"the document store at {netloc.rpartition('@')[2]}"


@contextmanager
def document_errors(where: str) -> Iterator[None]:
    """Raise an error of ours for one of the driver.

    Raises:
        ConfigurationError: the server refuses us.
        ContractError: the document is too large, or holds what is no value of a document, or is not as it must be.
        TransientError: the server does not answer.
    """
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, DuplicateKeyError) as error:  # two first writers: once more
        raise TransientError(
            f"{where} could not do it now: {_line(error)}. It is tried again; check that it runs."
        ) from error
    except OperationFailure as error:
        if error.code in _REFUSED:
            raise ConfigurationError(
                f"{where} refuses us: {_line(error)}. Check MONGO_URI, MONGO_USER, MONGO_PASSWORD and the user's role."
            ) from error
        raise ContractError(f"{where} refuses it: {_line(error)}. See its log.") from error
    except (InvalidDocument, OverflowError) as error:
        raise ContractError(f"{where} cannot keep this document: {_line(error)}.") from error


def _line(error: Exception) -> str:
    return str(error).partition(", Timeout:")[0].rstrip(".")[:300]
