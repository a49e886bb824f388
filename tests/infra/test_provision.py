"""Provisioning on real servers: it makes everything once, and a removed ticker does not come back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.contracts.lake import DATASETS
from shared.contracts.topics import TOPICS
from shared.errors import ConfigurationError, TransientError
from shared.kafka.admin import KafkaAdmin
from shared.settings import KafkaSettings, PostgresSettings
from shared.storage.postgres import make_engine, transaction
from shared.storage.tickers import TickerRegistry

Environment = dict[str, str]


@pytest.fixture(scope="module")
def database(postgres: PostgresSettings) -> PostgresSettings:
    engine = make_engine(postgres)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE provision_test"))
    engine.dispose()
    return postgres.model_copy(update={"postgres_db": "provision_test"})


@pytest.fixture(scope="module")
def environment(kafka: str, database: PostgresSettings, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "LAKE_URL": f"file://{tmp_path_factory.mktemp('lake')}",
        "POSTGRES_HOST": database.postgres_host,
        "POSTGRES_PORT": str(database.postgres_port),
        "POSTGRES_DB": database.postgres_db,
        "POSTGRES_USER": database.postgres_user,
        "POSTGRES_PASSWORD": database.postgres_password.get_secret_value(),
    }


def provision(environment: Environment) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.provision"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_provision_makes_everything_once(environment: Environment, kafka: str, database: PostgresSettings) -> None:
    first = provision(environment)
    assert (first.returncode, first.stderr) == (0, "")
    topics = KafkaAdmin(KafkaSettings.load(kafka_bootstrap_servers=kafka)).topics()
    assert {t.name for t in TOPICS} <= set(topics)
    lake = Path(environment["LAKE_URL"].removeprefix("file://"))
    assert {d.bucket for d in DATASETS} <= {p.name for p in lake.iterdir()}
    engine = make_engine(database)
    registry = TickerRegistry(engine)
    assert len(registry.active()) == 30
    assert registry.remove(["AAPL", "NOPE"]) == ["AAPL"]
    second = provision(environment)
    assert second.returncode == 0
    assert "AAPL" not in registry.active()
    assert registry.add(["AAPL", "MSFT"]) == ["AAPL"]
    assert len(registry.all()) == 30
    engine.dispose()


def test_ticker_that_is_none_is_refused_and_changes_nothing(
    environment: Environment, database: PostgresSettings
) -> None:
    provision(environment)
    engine = make_engine(database)
    with pytest.raises(ConfigurationError, match="not a ticker"):
        TickerRegistry(engine).add(["ZZZZ", "../etc"])
    assert "ZZZZ" not in TickerRegistry(engine).active()
    engine.dispose()


def test_wrong_password_names_the_setting(environment: Environment) -> None:
    done = provision({**environment, "POSTGRES_PASSWORD": "wrong"})
    assert done.returncode == 2
    assert "POSTGRES_PASSWORD" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_unreachable_server_is_transient_and_names_the_setting(database: PostgresSettings) -> None:
    engine = make_engine(database.model_copy(update={"postgres_port": 1}))
    with pytest.raises(TransientError, match="POSTGRES_HOST"), transaction(engine):
        pass
    engine.dispose()
