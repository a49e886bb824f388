"""Servers that ask for passwords and rights, with the identities of the table in them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from infra.access import kafka_access, lake_access, postgres_access
from infra.access.identities import identities_in
from infra.embedded.layout import Home
from shared.contracts.lake import DATASETS
from shared.contracts.topics import TOPICS
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.kafka.admin import KafkaAdmin
from shared.settings import LakeSettings, PostgresSettings
from shared.storage.feature_tables import ensure_feature_set
from shared.storage.lake import open_store
from shared.storage.postgres import make_engine, transaction
from shared.testing.s3_server import lake_settings
from tests.infra.access.secured import PASSWORDS, SecuredKafka
from tests.servers import running
from tests.shared.storage.stores import minio_server


@pytest.fixture(scope="session")
def secured_kafka(new_home: Callable[[], AbstractContextManager[Home]]) -> Iterator[SecuredKafka]:
    """A broker with the topics of the contracts, users and rights. Tests share it."""
    with new_home() as home, running(SecuredKafka(home)) as server:
        KafkaAdmin(server.admin).provision(TOPICS)
        assert list(kafka_access.apply(server.admin, PASSWORDS))
        yield server


@pytest.fixture
def owner(database: PostgresSettings) -> Iterator[Engine]:
    """A database of one test with a feature set, as its owner sees it, who has not made roles yet."""
    engine = make_engine(database)
    with transaction(engine) as connection:
        ensure_feature_set(connection, FEATURE_SET, NAMES)
    yield engine
    engine.dispose()


@pytest.fixture
def roles(owner: Engine, database: PostgresSettings) -> dict[str, PostgresSettings]:
    """Settings of each role of that database."""
    assert list(postgres_access.apply(owner, passwords("postgres")))
    return {name: role_settings(database, name) for name in passwords("postgres")}


def role_settings(database: PostgresSettings, name: str) -> PostgresSettings:
    password = SecretStr(PASSWORDS[name])
    return database.model_copy(update={"postgres_user": name, "postgres_password": password})


def passwords(server: str) -> dict[str, str]:
    return {identity.name: PASSWORDS[identity.name] for identity in identities_in(server)}  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def lake_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeSettings]:
    """A MinIO with the buckets, users and policies, as its administrator. Tests share it."""
    with minio_server(tmp_path_factory.mktemp("minio")) as port:
        settings = lake_settings(port, retry_seconds=5)
        store = open_store(settings)
        for dataset in DATASETS:
            store.ensure_bucket(dataset.bucket)
            store.probe(dataset.bucket)
        assert list(lake_access.apply(settings, passwords("lake")))
        yield settings
