"""A broker of the predictor's tests with its topics, and a predictor that most of them share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from infra.embedded.layout import Home
from shared.contracts.topics import TOPICS
from shared.contracts.training import DeployedModel
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.modelling.bundle import write_bundle
from shared.settings import KafkaSettings
from tests.conftest import running_kafka
from tests.predictor.making import COMPACTED, KEPT, bundles, deployed, event_of, feature_row
from tests.predictor.serving import Broker, Serving, serving


@pytest.fixture(scope="session")
def broker(new_home: Callable[[], AbstractContextManager[Home]]) -> Iterator[Broker]:
    with new_home() as home, running_kafka(home) as server:
        settings = KafkaSettings.load(kafka_bootstrap_servers=server.bootstrap_servers, kafka_partitions=2)
        KafkaAdmin(settings).provision(TOPICS)
        with KafkaWriter(settings, "tests") as writer:
            yield Broker(settings, writer)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def shared_predictor(broker: Broker, model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A predictor without a database. Use tickers of your own; SHARED has models, the newest two of BEFORE are missing.

    Of one of these the topic holds the event of the model before it, too; of the other only what it says of that one.
    """
    good, missing = bundles("BEFORE", 1), bundles("BEFORE", 2)
    for kind in (KEPT, COMPACTED):
        write_bundle(model_dir, good[kind])
    replaced = event_of(good[COMPACTED], 62, "skill").model_dump()
    broker.events(*deployed(model_dir, "SHARED"), event_of(good[KEPT], 60), event_of(missing[KEPT], 61))
    broker.events(event_of(missing[COMPACTED], 63, replaced=DeployedModel(**replaced)))
    broker.rows(feature_row("SHARED"), feature_row("BEFORE"))
    with serving(broker, tmp_path_factory.mktemp("predictor"), model_dir) as one:
        yield one.await_ready()
