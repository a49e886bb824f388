"""Files of passwords, and which steps of provisioning they cause."""

from pathlib import Path

import pytest

from infra.access import mongo_access
from infra.access.passwords import passwords_for
from infra.access.steps import access_steps
from shared.errors import ConfigurationError
from shared.settings import MongoSettings
from tests.infra.access.conftest import passwords
from tests.infra.access.secured import PASSWORDS

WANTED = {
    "kafka": {"producers", "consumers", "aggregator", "train", "predictor", "cli"},
    "postgres": {"producers", "consumers", "aggregator", "train", "predictor", "cli"},
    "lake": {"consumers", "aggregator", "cli"},
    "mongo": {"train", "cli"},
}


def write(folder: Path, *servers: str) -> None:
    for server in servers:
        for name in WANTED[server]:
            (folder / f"{server}_{name}").write_text(f"{PASSWORDS[name]}\n")


def test_each_identity_has_a_password_where_it_has_rights(tmp_path: Path) -> None:
    write(tmp_path, *WANTED)
    (tmp_path / "kafka_admin").write_text("not one of ours to make")
    for server, names in WANTED.items():
        assert passwords_for(server, tmp_path) == {name: PASSWORDS[name] for name in names}  # type: ignore[arg-type]


def test_no_passwords_mean_no_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_SECRETS_DIR", str(tmp_path / "none"))
    assert access_steps() == []


def test_only_servers_with_passwords_have_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_SECRETS_DIR", str(tmp_path))
    write(tmp_path, "kafka", "mongo")
    assert len(access_steps()) == 2


@pytest.mark.parametrize("broken", ["missing", "short"])
def test_password_that_lacks_or_is_short_is_named_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setenv("ACCESS_SECRETS_DIR", str(tmp_path))
    write(tmp_path, *WANTED)
    file = tmp_path / "lake_cli"
    file.unlink() if broken == "missing" else file.write_text("secret")
    with pytest.raises(ConfigurationError, match="lake_cli"):
        access_steps()


def test_document_store_without_users_is_named(mongo: MongoSettings) -> None:
    with pytest.raises(ConfigurationError, match="has no users"):
        list(mongo_access.apply(mongo, passwords("mongo")))
