"""Profiles in a server of the MongoDB protocol: one document a symbol, indexes, a server that is away."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from infra.embedded.ports import free_port
from shared.errors import ConfigurationError, ContractError, TransientError
from shared.settings import MongoSettings
from shared.storage.documents import COLLECTIONS, DocumentStore

AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


@pytest.fixture
def settings(mongo: MongoSettings) -> MongoSettings:
    return mongo.model_copy(update={"mongo_db": f"t_{uuid.uuid4().hex[:10]}"})


@pytest.fixture
def store(settings: MongoSettings) -> Iterator[DocumentStore]:
    with DocumentStore(settings) as store:
        store.provision()
        yield store


def test_document_is_replaced_whole_and_repeating_changes_nothing(store: DocumentStore) -> None:
    assert store.get("ml_profiles", "AAPL") is None
    store.put("ml_profiles", "AAPL", {"created_at": AT, "models": {"models_trained": 2}, "old": 1})
    for _ in range(2):
        store.put("ml_profiles", "AAPL", {"created_at": AT, "models": {"models_trained": 3}, "share": None})

    assert store.get("ml_profiles", "AAPL") == {
        "symbol": "AAPL", "created_at": AT, "models": {"models_trained": 3}, "share": None,
    }  # fmt: skip


def test_collections_and_symbols_are_apart(store: DocumentStore) -> None:
    store.put("ml_profiles", "AAPL", {"n": 1})
    store.put("company_profiles", "AAPL", {"n": 2})
    store.put("ml_profiles", "MSFT", {"n": 3})
    assert [
        store.get("ml_profiles", "AAPL"),
        store.get("company_profiles", "AAPL"),
        store.get("ml_profiles", "MSFT"),
    ] == [
        {"symbol": "AAPL", "n": 1},
        {"symbol": "AAPL", "n": 2},
        {"symbol": "MSFT", "n": 3},
    ]


def test_first_writers_at_once_leave_one_document(store: DocumentStore, settings: MongoSettings) -> None:
    def put(n: int) -> int:
        for _ in range(20):
            try:
                store.put("ml_profiles", "RACE", {"n": n})
            except TransientError:
                continue
            return n
        raise AssertionError("refused twenty times")

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(put, range(8))) == list(range(8))
    with MongoClient[dict[str, int]](settings.mongo_uri.get_secret_value()) as client:
        assert client[settings.mongo_db]["ml_profiles"].count_documents({"symbol": "RACE"}) == 1


def test_indexes_are_those_of_the_contract_and_making_them_again_is_harmless(
    store: DocumentStore, settings: MongoSettings
) -> None:
    store.provision()
    with MongoClient[dict[str, int]](settings.mongo_uri.get_secret_value()) as client:
        found = {
            name: {
                tuple(key for key, _ in index["key"])
                for index in client[settings.mongo_db][name].index_information().values()
            }
            for name in COLLECTIONS
        }
    assert found == {
        "ml_profiles": {("_id",), ("symbol",)},
        "statistical_profiles": {("_id",), ("symbol",)},
        "company_profiles": {("_id",), ("symbol",), ("exchange",), ("last_updated",)},
    }


def test_server_that_is_away_is_transient_and_said_in_one_line() -> None:
    settings = MongoSettings.load(mongo_uri=SecretStr(f"mongodb://somebody:secret@127.0.0.1:{free_port()}"))
    with DocumentStore(settings, answer_milliseconds=100) as store, pytest.raises(TransientError) as raised:
        store.put("ml_profiles", "AAPL", {})
    assert "127.0.0.1" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_address_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="MONGO_URI"):
        DocumentStore(MongoSettings.load(mongo_uri=SecretStr("http://nowhere")))


def test_document_that_cannot_be_kept_is_named_as_such(store: DocumentStore) -> None:
    with pytest.raises(ContractError, match="document"):
        store.put("ml_profiles", "AAPL", {"huge": "x" * 17_000_000})
    with pytest.raises(ContractError, match="document"):
        store.put("ml_profiles", "AAPL", {"odd": object()})
