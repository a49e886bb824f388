"""Provisioning on real servers: it makes everything once, and a removed ticker does not come back."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import text

from shared.contracts.lake import DATASETS
from shared.contracts.topics import TOPICS
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.kafka.admin import KafkaAdmin
from shared.settings import KafkaSettings, LakeSettings, MongoSettings, PostgresSettings
from shared.storage.lake import open_store
from shared.storage.postgres import make_engine
from shared.storage.tickers import TickerRegistry

Environment = dict[str, str]


@pytest.fixture
def database(postgres: PostgresSettings) -> PostgresSettings:
    """An empty database of the test's own; it goes with the session's server."""
    name = f"provision_{uuid.uuid4().hex[:10]}"
    engine = make_engine(postgres)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgres.model_copy(update={"postgres_db": name})


@pytest.fixture
def environment(kafka: str, mongo: MongoSettings, database: PostgresSettings, tmp_path: Path) -> Environment:
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "LAKE_URL": f"file://{tmp_path / 'lake'}",
        "MONGO_URI": mongo.mongo_uri.get_secret_value(),
        "MONGO_DB": f"provision_{uuid.uuid4().hex[:10]}",
        "POSTGRES_HOST": database.postgres_host,
        "POSTGRES_PORT": str(database.postgres_port),
        "POSTGRES_DB": database.postgres_db,
        "POSTGRES_USER": database.postgres_user,
        "POSTGRES_PASSWORD": database.postgres_password.get_secret_value(),
        "PROVISION_WAIT_SECONDS": "1",
    }


@pytest.fixture
def registry(database: PostgresSettings) -> Iterator[TickerRegistry]:
    engine = make_engine(database)
    yield TickerRegistry(engine)
    engine.dispose()


def start(environment: Environment) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "infra.provision"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def provision(environment: Environment) -> tuple[int, str, str]:
    with start(environment) as process:
        out, errors = process.communicate(timeout=120)
        return process.returncode, out, errors


def seeded() -> dict[str, str]:
    """The seed, read by pandas' CSV reader, whose rules are not ours."""
    frame = pd.read_csv(files("infra").joinpath("seed/tickers.csv"))  # type: ignore[call-overload]
    return dict(zip(frame["ticker"], frame["name"], strict=True))


def test_provision_makes_everything_once(environment: Environment, kafka: str, registry: TickerRegistry) -> None:
    code, out, errors = provision(environment)
    assert (code, errors) == (0, "")
    assert {t.name for t in TOPICS} <= set(KafkaAdmin(KafkaSettings.load(kafka_bootstrap_servers=kafka)).topics())
    store = open_store(LakeSettings.load(lake_url=environment["LAKE_URL"]))
    assert [store.ensure_bucket(d.bucket) for d in DATASETS] == [False] * len(DATASETS)
    assert {t.ticker: t.name for t in registry.all() if t.active} == seeded()
    assert "tickers: 30 seeded" in out
    assert f"feature set {FEATURE_SET}: {len(NAMES)} features" in out

    before = registry.all()
    code, out, errors = provision(environment)
    assert (code, errors) == (0, "")
    assert registry.all() == before
    assert "made" not in out
    assert "seeded" not in out
    assert f"feature set {FEATURE_SET}: as the catalogue says" in out
    assert "documents: collections as the contracts say" in out


def test_removed_ticker_does_not_come_back(environment: Environment, registry: TickerRegistry) -> None:
    provision(environment)
    registry.remove(seeded())
    assert provision(environment)[0] == 0
    assert registry.active() == []


def test_seed_names_thirty_companies() -> None:
    assert len(seeded()) == 30
    assert all(name.strip() for name in seeded().values())
    assert sorted(seeded()) == list(seeded())


def test_concurrent_provisioners_all_succeed(environment: Environment, registry: TickerRegistry) -> None:
    running = [start(environment) for _ in range(3)]
    ended = [(process.communicate(timeout=120), process.returncode) for process in running]
    assert [(errors, code) for (_, errors), code in ended] == [("", 0)] * 3
    assert registry.active() == sorted(seeded())


def test_wrong_password_needs_a_person_and_names_the_setting(environment: Environment) -> None:
    code, _, errors = provision({**environment, "POSTGRES_PASSWORD": "wrong"})
    assert code == 2
    assert "POSTGRES_PASSWORD" in errors
    assert len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("LAKE_URL", "ftp://host"),
        ("KAFKA_PARTITIONS", "many"),
        ("PROVISION_WAIT_SECONDS", "-1"),
        ("LAKE_URL", "s3://h:1"),
    ],
)
def test_wrong_setting_needs_a_person_and_is_named(environment: Environment, setting: str, value: str) -> None:
    code, _, errors = provision({**environment, setting: value})
    assert code == 2
    assert "LAKE_ACCESS_KEY" in errors or setting in errors
    assert len(errors.strip().splitlines()) == 1


def test_server_that_does_not_come_up_is_waited_for_within_bounds(environment: Environment) -> None:
    code, _, errors = provision({**environment, "POSTGRES_PORT": "1"})
    assert code == 1
    assert "POSTGRES_PORT" in errors
    assert len(errors.strip().splitlines()) == 1
