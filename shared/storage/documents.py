"""The document store: profiles of tickers for people and programs, one document a symbol and collection."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, Self

from shared.settings import MongoSettings

Collection = Literal["ml_profiles", "statistical_profiles", "company_profiles"]
COLLECTIONS: Final[tuple[Collection, ...]] = ("ml_profiles", "statistical_profiles", "company_profiles")


class DocumentStore:
    """Profiles in a server of the MongoDB protocol.

    Args:
        settings: Where it is.
    """

    def __init__(self, settings: MongoSettings) -> None:
        raise NotImplementedError

    def ensure_indexes(self) -> None:
        """Make the indexes; doing it again changes nothing.

        Raises:
            TransientError: the server does not answer.
        """
        raise NotImplementedError

    def put(self, collection: Collection, symbol: str, document: Mapping[str, Any]) -> None:
        """Write the symbol's document, in place of the one before.

        Raises:
            TransientError: the server does not answer.
        """
        raise NotImplementedError

    def get(self, collection: Collection, symbol: str) -> dict[str, Any] | None:
        """Return the symbol's document.

        Raises:
            TransientError: the server does not answer.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Free the client."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Provide the store; it is closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
