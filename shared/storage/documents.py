"""The document store: profiles of tickers for people and programs, one document a symbol and collection."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure

from shared.closing import Closing
from shared.settings import MongoSettings
from shared.storage.document_client import (
    ANSWER_MILLISECONDS,
    NO_SUCH_COMMAND,
    document_client,
    document_errors,
    place_of,
)

Collection = Literal["ml_profiles", "statistical_profiles", "company_profiles"]
COLLECTIONS: Final[tuple[Collection, ...]] = ("ml_profiles", "statistical_profiles", "company_profiles")
_FURTHER_INDEXES: Final[dict[Collection, tuple[str, ...]]] = {"company_profiles": ("exchange", "last_updated")}
_EXISTS: Final = 48


def validator_of(collection: Collection) -> dict[str, Any]:
    """Return what every document of a collection must be: whose, of which kind, since when."""
    return {
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["symbol", "profile_type", "created_at", "status"],
            "properties": {
                "symbol": {"bsonType": "string", "minLength": 1, "maxLength": 32},
                "profile_type": {"enum": [collection.removesuffix("_profiles")]},
                "created_at": {"bsonType": "date"},
                "status": {"bsonType": "string"},
            },
        }
    }


class DocumentStore(Closing):
    """Profiles in a server of the MongoDB protocol.

    Every method raises ConfigurationError where the server refuses us, and TransientError where it does not answer.

    Args:
        settings: Where it is.
        answer_milliseconds: How long it may take to answer, and to be found.
    """

    def __init__(self, settings: MongoSettings, answer_milliseconds: int = ANSWER_MILLISECONDS) -> None:
        self._where = place_of(settings)
        self._client = document_client(settings, answer_milliseconds)
        self._database = self._client[settings.mongo_db]

    def provision(self) -> list[str]:
        """Make collections, their indexes and validators; return a line for each change. Again, it changes nothing."""
        with document_errors(self._where):
            found = {one["name"]: one for one in self._database.list_collections()}
            return [
                line
                for name in COLLECTIONS
                for line in (*self._fit_validator(name, found.get(name)), *self._fit_indexes(name))
            ]

    def _fit_validator(self, name: Collection, found: Mapping[str, Any] | None) -> list[str]:
        wanted = validator_of(name)
        if found is None:
            return self._make(name, wanted)
        if found.get("options", {}).get("validator") == wanted:
            return []
        try:
            self._database.command("collMod", name, validator=wanted)
        except OperationFailure as error:
            if error.code != NO_SUCH_COMMAND:
                raise
            return []  # the embedded server knows no validators
        return [f"collection {name}: validator changed"]

    def _make(self, name: Collection, validator: Mapping[str, Any]) -> list[str]:
        try:
            self._database.create_collection(name, check_exists=False, validator=validator)
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise
            return []  # somebody else made it just now
        return [f"collection {name} made"]

    def _fit_indexes(self, name: Collection) -> list[str]:
        collection = self._database[name]
        before = set(collection.index_information())
        made = [collection.create_index("symbol", unique=True)]
        made += [collection.create_index(field) for field in _FURTHER_INDEXES.get(name, ())]
        return [f"collection {name}: index {index} made" for index in made if index not in before]

    def put(self, collection: Collection, symbol: str, document: Mapping[str, Any]) -> None:
        """Write the symbol's document, in place of the one before.

        Raises:
            ContractError: the document is too large, holds what is no value of a document, or fails the validator.
        """
        with document_errors(self._where):
            self._of(collection).replace_one({"symbol": symbol}, {"symbol": symbol, **document}, upsert=True)

    def get(self, collection: Collection, symbol: str) -> dict[str, Any] | None:
        """Return the symbol's document without the server's own id; None where there is none."""
        with document_errors(self._where):
            return self._of(collection).find_one({"symbol": symbol}, {"_id": False})

    def close(self) -> None:
        """Free the client."""
        self._client.close()

    def _of(self, collection: Collection) -> "MongoCollection[dict[str, Any]]":
        return self._database[collection]
