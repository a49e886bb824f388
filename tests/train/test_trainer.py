"""A trainer waits for what is away for a moment instead of counting it as a failure of the job."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import train.trainer
from shared.clock import SystemClock
from shared.errors import TransientError
from shared.settings import MongoSettings, PostgresSettings
from shared.storage.deployments import Deployments
from shared.storage.feature_reader import FeatureReader
from shared.storage.trainable import TrainableRows
from tests.train.making import rows_of, store_rows
from tests.train.training import Training, training
from train.link import Work
from train.trainer import Stores, TickerTrainer, write_bundle

pytestmark = pytest.mark.kafka


@pytest.fixture
def one(kafka: str, database: PostgresSettings, mongo: MongoSettings, tmp_path: Path) -> Iterator[Training]:
    with training(kafka, database, mongo, tmp_path) as made:
        store_rows(made.engine, [rows_of("AAPL", 1, days=6)])
        yield made


class FirstRefused(FeatureReader):
    """A reader whose server has no connection to spare at first."""

    refused = False

    def read_training_rows(
        self, ticker: str, feature_set: str | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        if not self.refused:
            self.refused = True
            raise TransientError("too many connections")
        return super().read_training_rows(ticker, feature_set, columns)


def test_short_absence_of_database_or_volume_costs_no_attempt(one: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    full = [TransientError("the volume is full")]

    def write(*arguments: Any) -> str:
        if full:
            raise full.pop()
        return write_bundle(*arguments)

    monkeypatch.setattr(train.trainer, "write_bundle", write)
    one.file("run", "AAPL")
    jobs = one.jobs.claim(one.id_of("run"), "AAPL", "worker", timedelta(seconds=60))
    reader = FirstRefused(one.engine)
    stores = Stores(one.jobs, Deployments(one.engine), reader, TrainableRows(one.engine))
    trainer = TickerTrainer(stores, one.environment.models, 7, SystemClock(), lambda _: None)

    trainer.train(Work(jobs, 1, 1))

    assert reader.refused
    assert not full
    (ticker,) = one.progress("run")
    assert [(job.state, job.failures, job.attempt) for job in ticker.jobs] == [("done", 0, 1)] * 3
