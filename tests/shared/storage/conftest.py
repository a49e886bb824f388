"""S3 servers for a session, started when a test first needs one, and an engine on the database of one test."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from shared.settings import PostgresSettings
from shared.storage.postgres import make_engine
from shared.testing.s3_server import s3_server
from tests.shared.storage.stores import minio_server


@pytest.fixture(scope="session")
def moto() -> Iterator[int]:
    """The port of an S3 server in memory."""
    with s3_server() as port:
        yield port


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a MinIO server."""
    with minio_server(tmp_path_factory.mktemp("minio")) as port:
        yield port


@pytest.fixture
def engine(database: PostgresSettings) -> Iterator[Engine]:
    engine = make_engine(database)
    yield engine
    engine.dispose()
