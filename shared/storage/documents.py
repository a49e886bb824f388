"""The document store: profiles of tickers for people and programs, one document a symbol and collection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from bson.errors import InvalidDocument
from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import ConfigurationError as MongoConfigurationError
from pymongo.errors import ConnectionFailure, DuplicateKeyError, ExecutionTimeout, OperationFailure

from shared.errors import ConfigurationError, ContractError, TransientError
from shared.settings import MongoSettings

Collection = Literal["ml_profiles", "statistical_profiles", "company_profiles"]
COLLECTIONS: Final[tuple[Collection, ...]] = ("ml_profiles", "statistical_profiles", "company_profiles")
_FURTHER_INDEXES: Final[dict[Collection, tuple[str, ...]]] = {"company_profiles": ("exchange", "last_updated")}
_ANSWER_MILLISECONDS: Final = 5_000
_REFUSED: Final = frozenset({13, 18})  # Unauthorized, AuthenticationFailed


class DocumentStore:
    """Profiles in a server of the MongoDB protocol.

    Args:
        settings: Where it is.
        answer_milliseconds: How long it may take to answer, and to be found.
    """

    def __init__(self, settings: MongoSettings, answer_milliseconds: int = _ANSWER_MILLISECONDS) -> None:
        uri = settings.mongo_uri.get_secret_value()
        self._where = f"the document store at {urlsplit(uri).netloc.rpartition('@')[2]}"
        try:
            self._client: MongoClient[dict[str, Any]] = MongoClient(
                uri,
                tz_aware=True,
                connect=False,
                appname="tickerstream",
                serverSelectionTimeoutMS=answer_milliseconds,
                connectTimeoutMS=answer_milliseconds,
                socketTimeoutMS=answer_milliseconds,
            )
        except (MongoConfigurationError, ValueError) as error:
            raise ConfigurationError(f"MONGO_URI is not an address: {error}. Set it as mongodb://host:port.") from None
        self._database = self._client[settings.mongo_db]

    def ensure_indexes(self) -> None:
        """Make the indexes; doing it again changes nothing.

        Raises:
            ConfigurationError: the server refuses us.
            TransientError: the server does not answer.
        """
        with self._errors():
            for name in COLLECTIONS:
                self._database[name].create_index("symbol", unique=True)
                for field in _FURTHER_INDEXES.get(name, ()):
                    self._database[name].create_index(field)

    def put(self, collection: Collection, symbol: str, document: Mapping[str, Any]) -> None:
        """Write the symbol's document, in place of the one before.

        Raises:
            ConfigurationError: the server refuses us.
            ContractError: the document is too large, or holds what is no value of a document.
            TransientError: the server does not answer.
        """
        with self._errors():
            self._of(collection).replace_one({"symbol": symbol}, {"symbol": symbol, **document}, upsert=True)

    def get(self, collection: Collection, symbol: str) -> dict[str, Any] | None:
        """Return the symbol's document without the server's own id; None where there is none.

        Raises:
            ConfigurationError: the server refuses us.
            TransientError: the server does not answer.
        """
        with self._errors():
            return self._of(collection).find_one({"symbol": symbol}, {"_id": False})

    def close(self) -> None:
        """Free the client."""
        self._client.close()

    def _of(self, collection: Collection) -> "MongoCollection[dict[str, Any]]":
        return self._database[collection]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (ConnectionFailure, ExecutionTimeout, DuplicateKeyError) as error:  # two first writers: once more
            raise TransientError(
                f"{self._where} could not do it now: {_line(error)}. It is tried again; check that it runs."
            ) from error
        except OperationFailure as error:
            if error.code in _REFUSED:
                raise ConfigurationError(f"{self._where} refuses us: {_line(error)}. Check MONGO_URI.") from error
            raise ContractError(f"{self._where} refuses it: {_line(error)}. See its log.") from error
        except (InvalidDocument, OverflowError) as error:
            raise ContractError(f"{self._where} cannot keep this document: {_line(error)}.") from error

    def __enter__(self) -> Self:
        """Provide the store; it is closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def _line(error: Exception) -> str:
    return str(error).partition(", Timeout:")[0].rstrip(".")[:300]
