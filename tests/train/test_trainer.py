"""A trainer waits for what is away for a moment, and each model's record tells what its rows came from."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import text

import train.trainer
from shared.clock import SystemClock
from shared.errors import TransientError
from shared.modelling.bundle import load_bundle
from shared.settings import MongoSettings, PostgresSettings
from shared.storage.deployments import Deployments
from shared.storage.feature_reader import FeatureReader
from shared.storage.postgres import transaction
from shared.storage.trainable import TrainableRows
from tests.train.making import FEATURE_SET, rows_of, store_rows
from tests.train.training import Training, refitted, training
from train.link import Work
from train.trainer import Stores, TickerTrainer, write_bundle

pytestmark = pytest.mark.kafka
FRAME = rows_of("AAPL", 1, days=6)


@pytest.fixture
def one(kafka: str, database: PostgresSettings, mongo: MongoSettings, tmp_path: Path) -> Iterator[Training]:
    with training(kafka, database, mongo, tmp_path) as made:
        for frames in ([rows_of("MSFT", 2, days=1)], [FRAME[:100]], [rows_of("NVDA", 3, days=1)], [FRAME[100:]]):
            store_rows(made.engine, frames)
        yield made


def trainer_of(one: Training, reader: FeatureReader) -> TickerTrainer:
    stores = Stores(one.jobs, Deployments(one.engine), reader, TrainableRows(one.engine))
    return TickerTrainer(stores, one.environment.models, 7, SystemClock(), lambda _: None)


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

    trainer_of(one, reader).train(Work(jobs, 1, 1))

    assert reader.refused
    assert not full
    (ticker,) = one.progress("run")
    assert [(job.state, job.failures, job.attempt) for job in ticker.jobs] == [("done", 0, 1)] * 3


def test_record_tells_the_batches_of_the_rows_and_leaves_the_digest_alone(one: Training) -> None:
    one.file("run", "AAPL")
    jobs = one.jobs.claim(one.id_of("run"), "AAPL", "worker", timedelta(seconds=60))
    trainer_of(one, FeatureReader(one.engine)).train(Work(jobs, 1, 1))

    with transaction(one.engine) as connection:
        made = list(connection.execute(text("SELECT batch_id FROM aggregation_batches ORDER BY 1")).scalars())
    lineage = {"rows": FRAME.height, "batches": 2, "first_batch": made[1], "last_batch": made[3]}
    digests = refitted(one, FRAME)
    assert {each.model.kind: each.model.digest for each in one.registry.served()} == digests
    for digest in digests.values():
        record = load_bundle(one.environment.models.model_dir, digest).record
        assert record.lineage == {"feature_set": FEATURE_SET} | {name: str(value) for name, value in lineage.items()}
