"""What users of the document store may do, asked of a server in a container: the embedded one has no users."""

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from pymongo.errors import OperationFailure

from infra.access import mongo_access
from shared.errors import ConfigurationError, ContractError, TickerstreamError
from shared.settings import MongoSettings
from shared.storage.document_client import document_client
from shared.storage.documents import COLLECTIONS, DocumentStore
from shared.testing.eventually import eventually

pytestmark = pytest.mark.compose

ADMIN_PASSWORD = "password-of-the-administrator"
PASSWORDS = {"train": "password-of-train", "cli": "password-of-cli"}
PROFILE = {"profile_type": "ml", "created_at": datetime(2026, 3, 2, tzinfo=UTC), "status": "active"}
UNCHANGED = ["documents: 2 users, as the table of identities says"]


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def root() -> Iterator[MongoSettings]:
    """A provisioned document store with users, as its administrator."""
    login = ("MONGO_INITDB_ROOT_USERNAME=admin", f"MONGO_INITDB_ROOT_PASSWORD={ADMIN_PASSWORD}")
    image = os.environ.get("MONGO_IMAGE", "mongo:8")
    container = docker("run", "-d", "--rm", "-p", "127.0.0.1::27017", "-e", login[0], "-e", login[1], image)
    try:
        settings = MongoSettings.load(
            mongo_uri=SecretStr(f"mongodb://{docker('port', container, '27017').splitlines()[0]}"),
            mongo_user="admin",
            mongo_password=SecretStr(ADMIN_PASSWORD),
        )

        def provisioned() -> bool:
            try:
                with DocumentStore(settings) as store:
                    return bool(store.provision())
            except TickerstreamError:
                return False

        eventually(provisioned, seconds=120, failing="the document store does not answer")
        assert list(mongo_access.apply(settings, PASSWORDS)) == [
            "documents: user train made, readWrite",
            "documents: user cli made, read",
        ]
        yield settings
    finally:
        docker("rm", "-f", container)


def as_user(root: MongoSettings, name: str, password: str | None = None) -> MongoSettings:
    return root.model_copy(
        update={"mongo_user": name, "mongo_password": SecretStr(password or PASSWORDS.get(name, "unknown"))}
    )


def test_train_writes_and_cli_reads_profiles(root: MongoSettings) -> None:
    with DocumentStore(as_user(root, "train")) as store:
        store.put("ml_profiles", "AAPL", PROFILE)
    with DocumentStore(as_user(root, "cli")) as store:
        found = store.get("ml_profiles", "AAPL")
        assert found is not None
        assert found["status"] == "active"
        with pytest.raises(ConfigurationError, match="MONGO_PASSWORD"):
            store.put("ml_profiles", "AAPL", PROFILE)


@pytest.mark.parametrize("user", ["predictor", "train"])
def test_unknown_user_and_wrong_password_are_refused(root: MongoSettings, user: str) -> None:
    with DocumentStore(as_user(root, user, "not-its-password")) as store, pytest.raises(ConfigurationError):
        store.get("ml_profiles", "AAPL")


def test_nobody_without_a_login_reads(root: MongoSettings) -> None:
    nobody = root.model_copy(update={"mongo_user": None, "mongo_password": None})
    with DocumentStore(nobody) as store, pytest.raises(ConfigurationError):
        store.get("ml_profiles", "AAPL")


@pytest.mark.parametrize("user", ["train", "cli"])
def test_user_has_no_right_outside_its_database(root: MongoSettings, user: str) -> None:
    with document_client(as_user(root, user)) as client:
        for call in (
            lambda: client["another"]["things"].insert_one({"n": 1}),
            lambda: client["another"]["things"].find_one(),
            lambda: client.admin.command("usersInfo", "admin"),
            lambda: client.admin.command("createUser", "own", pwd="a-password-of-it", roles=["root"]),
            lambda: client.drop_database("another"),
        ):
            with pytest.raises(OperationFailure) as raised:
                call()
            assert raised.value.code == 13
    with pytest.raises(ConfigurationError):
        list(mongo_access.apply(as_user(root, user), PASSWORDS))


def test_document_that_is_no_profile_is_refused(root: MongoSettings) -> None:
    with DocumentStore(as_user(root, "train")) as store:
        for wrong in ({}, PROFILE | {"created_at": "yesterday"}, PROFILE | {"profile_type": "company"}):
            with pytest.raises(ContractError):
                store.put("ml_profiles", "MSFT", wrong)
        assert store.get("ml_profiles", "MSFT") is None


def test_provisioning_again_changes_nothing(root: MongoSettings) -> None:
    with DocumentStore(root) as store:
        assert store.provision() == []
    assert list(mongo_access.apply(root, PASSWORDS)) == UNCHANGED


def test_older_validator_is_replaced(root: MongoSettings) -> None:
    with document_client(root) as client:
        client[root.mongo_db].command("collMod", COLLECTIONS[1], validator={"symbol": {"$type": "string"}})
    with DocumentStore(root) as store:
        assert store.provision() == [f"collection {COLLECTIONS[1]}: validator changed"]
        assert store.provision() == []


def test_role_that_is_too_much_is_taken_away_and_a_new_password_counts(root: MongoSettings) -> None:
    with document_client(root) as client:
        client.admin.command("grantRolesToUser", "cli", roles=[{"role": "root", "db": "admin"}])
    changed = PASSWORDS | {"cli": "another-password-for-it"}
    assert list(mongo_access.apply(root, changed)) == [
        "documents: user cli: has role read and no other",
        "documents: user cli: has its new password",
    ]
    with DocumentStore(as_user(root, "cli", changed["cli"])) as store, pytest.raises(ConfigurationError):
        store.put("ml_profiles", "AAPL", PROFILE)
    with DocumentStore(as_user(root, "cli")) as store, pytest.raises(ConfigurationError):
        store.get("ml_profiles", "AAPL")
    list(mongo_access.apply(root, PASSWORDS))
    assert list(mongo_access.apply(root, PASSWORDS)) == UNCHANGED
