"""The ground of one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import PostgresSettings
from tests.aggregator.parts import Ground, ground


@pytest.fixture
def stand(kafka: str, database: PostgresSettings, tmp_path: Path) -> Iterator[Ground]:
    """Topics, database and lake of one test."""
    with ground(kafka, database, tmp_path / "lake") as made:
        yield made
