"""What the predictor, the command, the ledger and the producers ask of PostgreSQL, each with its own role only."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from shared.features.catalogue import FEATURE_SET
from shared.settings import PostgresSettings
from shared.storage.closes import CloseReader
from shared.storage.feature_reader import FeatureReader
from shared.storage.feature_tables import activate, feature_set, feature_sets
from shared.storage.job_progress import JobsView
from shared.storage.models import ModelRegistry
from shared.storage.postgres import open_engine, transaction
from shared.storage.prediction_ledger import PredictionLedger
from shared.storage.remakes import REBUILD, Remake, RemakeQueue
from shared.storage.runs_store import RunsStore
from shared.storage.tickers import TickerRegistry
from tests.consumers.test_ledger import START, prediction
from tests.shared.storage.feature_rows import BATCH, MONDAY, SET, append, provisioned, rows
from tests.shared.storage.test_models import claimed, complete

Roles = dict[str, PostgresSettings]


@pytest.fixture
def filled(owner: Engine, roles: Roles) -> Roles:
    """Roles of a database with feature rows, a model and a ticker."""
    provisioned(owner)
    append(owner, rows(minutes=range(20)), batch=BATCH)
    complete(owner, *claimed(owner, "run"))
    TickerRegistry(owner).add(["AAPL"])
    return roles


def test_ledger_keeps_predictions_and_the_predictor_finds_them(filled: Roles) -> None:
    with open_engine(filled["consumers"]) as engine:
        ledger = PredictionLedger(engine)
        assert ledger.add([prediction(), prediction(minute=1)]) == 2
        assert ledger.add([prediction(made_after=0.01), prediction(minute=2)]) == 1
    with open_engine(filled["predictor"]) as engine:
        ledger = PredictionLedger(engine)
        assert len(ledger.newest("AAPL", 10)) == 3
        first = ledger.at("AAPL", START + timedelta(minutes=1))
        assert first is not None
        assert first.made_at == prediction(made_after=0.01).made_at


def test_predictor_sees_closes_models_and_jobs(filled: Roles) -> None:
    with open_engine(filled["predictor"]) as engine:
        assert len(CloseReader(engine).newest("AAPL", SET, 5)) == 5
        assert len(ModelRegistry(engine).history("AAPL")) == 1
        assert len(JobsView(engine).progress_of("run")) == 1
        assert len(JobsView(engine).runs()) == 1


def test_command_reads_what_it_shows(filled: Roles) -> None:
    with open_engine(filled["cli"]) as engine:
        reader = FeatureReader(engine)
        assert [one.rows for one in reader.coverage(SET)] == [20]
        assert reader.revisions("AAPL", SET, MONDAY, MONDAY + timedelta(days=1)).height == 20
        assert len(ModelRegistry(engine).served()) == 1
        assert len(ModelRegistry(engine).models()) == 1
        assert len(JobsView(engine).runs()) == 1
        with transaction(engine) as connection:
            assert RunsStore().all(connection) == []
            assert {FEATURE_SET, SET} <= {one.name for one in feature_sets(connection)}


def test_command_changes_tickers_asks_for_rebuilds_and_chooses_the_feature_set(filled: Roles) -> None:
    with open_engine(filled["cli"]) as engine:
        registry = TickerRegistry(engine)
        assert registry.add(["MSFT"], "Microsoft") == ["MSFT"]
        assert registry.remove(["MSFT"]) == ["MSFT"]
        wish = Remake(0, "AAPL", MONDAY, MONDAY, REBUILD, f"{REBUILD}/one")
        with transaction(engine) as connection:
            assert RemakeQueue().add(connection, [wish]) == 1
            assert RemakeQueue().left(connection, REBUILD) == 1
            activate(connection, SET)
            assert feature_set(connection).name == SET


def test_training_and_producers_read_their_input(filled: Roles) -> None:
    with open_engine(filled["train"]) as engine:
        assert FeatureReader(engine).read_training_rows("AAPL", SET).height == 20
    with open_engine(filled["producers"]) as engine:
        assert TickerRegistry(engine).active() == ["AAPL"]
