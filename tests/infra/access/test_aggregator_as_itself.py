"""The aggregator with its role of PostgreSQL only: tests of its own folder, on a ground where it is not the owner."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts.topics import DEAD_LETTERS, FEATURES, START_MODEL
from shared.kafka.admin import KafkaAdmin
from shared.settings import KafkaSettings, PostgresSettings
from tests.aggregator.parts import Ground, ground
from tests.aggregator.test_late_facts import test_late_split_makes_the_rows_since_its_day_again as test_late_split
from tests.aggregator.test_late_facts import test_late_vintage_makes_the_rows_since_its_release_again as test_late_fact
from tests.aggregator.test_runs import test_complete_run_starts_training_once_however_often_it_is_told as test_run
from tests.aggregator.test_runs import test_run_given_up_lets_its_bars_go_and_starts_nothing as test_run_given_up

__all__ = ["test_late_fact", "test_late_split", "test_run", "test_run_given_up"]

pytestmark = pytest.mark.kafka


@pytest.fixture
def stand(
    kafka: str, database: PostgresSettings, roles: dict[str, PostgresSettings], tmp_path: Path
) -> Iterator[Ground]:
    """A ground whose test looks as the owner, and whose aggregator works as itself."""
    _make_shared_topics(kafka)
    with ground(kafka, database, tmp_path / "lake") as made:
        made.postgres = roles["aggregator"]
        yield made


def _make_shared_topics(kafka: str) -> None:
    """Make the topics that a ground shares with other tests as provisioning does, whose tests come later."""
    admin = KafkaAdmin(KafkaSettings.load(kafka_bootstrap_servers=kafka))
    there = admin.topics()
    admin.provision([topic for topic in (FEATURES, START_MODEL, DEAD_LETTERS) if topic.name not in there])
