"""A training service under test: a database, a topic, a document store and a model volume of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl
from sqlalchemy import Engine, text

from shared.clock import SystemClock
from shared.contracts.dead_letters import DeadLetter
from shared.contracts.topics import DEAD_LETTERS, MODEL_EVENTS, START_MODEL
from shared.contracts.training import MODEL_KINDS, ModelEvent, ModelKind
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.modelling.manifest import Record
from shared.modelling.train_ticker import TrainingRequest, train_ticker
from shared.ports import Outgoing, Position
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping
from shared.settings import KafkaSettings, ModelSettings, MongoSettings, PostgresSettings, RuntimeSettings
from shared.storage.documents import DocumentStore
from shared.storage.job_progress import JobsView, TickerProgress
from shared.storage.jobs import NewRun, TrainingJobs
from shared.storage.models import ModelRegistry
from shared.storage.postgres import make_engine, transaction
from shared.testing.eventually import eventually
from tests.train.making import FEATURE_SET, FEATURES
from train.service import Environment, TrainService
from train.settings import TrainSettings


@dataclass
class Training:
    """One service, or several, on one database."""

    environment: Environment
    engine: Engine
    folder: Path
    writer: KafkaWriter
    sent: list[Position] = field(default_factory=list)
    started: int = 0

    def ask(self, value: bytes | None = None, **fields: Any) -> "Training":
        """Send a wish, durable on return."""
        body = json.dumps(fields).encode() if value is None else value
        self.writer.send(Outgoing(self.environment.topic, None, body), self.sent.append)
        self.writer.flush(20)
        return self

    def file(self, run_id: str, *tickers: str) -> "Training":
        """File a run without Kafka."""
        self.jobs.file(NewRun(self.id_of(run_id), f"test-{run_id}", tickers, MODEL_KINDS, FEATURE_SET))
        return self

    def id_of(self, name: str) -> str:
        """Return the id of this test's own run of that name: the broker is shared."""
        return f"{name}-{self.environment.topic}"

    def reach(self, **settings: Any) -> None:
        """Have the next service work with other settings."""
        self.environment = replace(self.environment, **settings)

    def newest_run(self) -> str | None:
        runs = JobsView(self.engine).runs(1)
        return runs[0].run_id if runs else None

    @contextmanager
    def running(self, failpoints: str = "") -> Iterator["Training"]:
        """Run the service in a thread while inside; then stop, and raise what it raised."""
        clock, failures = SystemClock(), []
        self.started += 1
        beats = Heartbeat(self.beat_file, "train", clock)
        settings = RuntimeSettings.load(tickerstream_failpoints=failpoints)
        runtime = Runtime("train", settings, clock, Stopping(), beats, ExitStack())

        def work() -> None:
            try:
                with runtime.resources:
                    TrainService(runtime, self.environment).run()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield self
        finally:
            runtime.stopping.set()
            thread.join(60)
            assert not thread.is_alive()
        if failures:
            raise failures[0]

    @property
    def beat_file(self) -> Path:
        """Of the service that was started last."""
        return self.folder / f"heartbeat-{self.started}.json"

    @property
    def beat(self) -> dict[str, Any]:
        """What the heartbeat says now."""
        said: dict[str, Any] = json.loads(self.beat_file.read_text()) if self.beat_file.exists() else {}
        return said

    @property
    def jobs(self) -> TrainingJobs:
        return TrainingJobs(self.engine)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.engine)

    def progress(self, run_id: str) -> list[TickerProgress]:
        return JobsView(self.engine).progress_of(self.id_of(run_id))

    def settled(self, name: str, seconds: float = 120) -> list[TickerProgress]:
        """Wait until the run is through and its verdicts are final."""
        return self.settled_id(self.id_of(name), seconds)

    def settled_id(self, run_id: str, seconds: float = 120) -> list[TickerProgress]:
        """Wait for a run by its whole id."""
        view = JobsView(self.engine)
        eventually(
            lambda: any(run.run_id == run_id and run.settled_at for run in view.runs()),
            seconds=seconds,
            failing=f"{run_id} was not settled",
        )
        return view.progress_of(run_id)

    def events(self) -> list[ModelEvent]:
        """The events of this database's runs, in the order of the topic."""
        runs = {run.run_id for run in JobsView(self.engine).runs(1000)}
        found = [ModelEvent.decode(r.value) for r in read_topic(self.environment.kafka, MODEL_EVENTS.name)]
        return [event for event in found if event.run_id in runs]

    def unsent(self) -> int:
        with transaction(self.engine) as connection:
            query = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
            return int(connection.execute(text(query)).scalar_one())

    def letters(self) -> list[DeadLetter]:
        """The dead letters of this service's topic."""
        records = read_topic(self.environment.kafka, DEAD_LETTERS.name)
        letters = [DeadLetter.from_record(record.key, record.value, record.headers) for record in records]
        return [letter for letter in letters if letter.topic == self.environment.topic]

    def committed(self) -> int:
        """The next offset that the group has stored."""
        found = KafkaAdmin(self.environment.kafka).committed(self.environment.group, [self.environment.topic])
        return max(found.values(), default=0)

    def documents(self) -> DocumentStore:
        return DocumentStore(self.environment.mongo)


@contextmanager
def training(
    bootstrap: str, database: PostgresSettings, mongo: MongoSettings, folder: Path, **settings: Any
) -> Iterator[Training]:
    """Make the topic, group, document store and model volume of one test."""
    kafka = KafkaSettings.load(kafka_bootstrap_servers=bootstrap, kafka_partitions=2)
    topic = f"start_model-{uuid4().hex[:8]}"
    KafkaAdmin(kafka).provision([replace(START_MODEL, name=topic), MODEL_EVENTS, DEAD_LETTERS])
    defaults = {"train_workers": 2, "train_poll_seconds": 0.1, "train_lease_seconds": 30}
    environment = Environment(
        kafka,
        database,
        mongo.model_copy(update={"mongo_db": topic}),
        ModelSettings.load(model_dir=folder / "models"),
        TrainSettings.load(**(defaults | settings)),
        f"train-{uuid4().hex[:8]}",
        topic,
    )
    engine = make_engine(database)
    with KafkaWriter(kafka, "tests") as writer:
        yield Training(environment, engine, folder, writer)
    engine.dispose()


def refitted(one: Training, frame: pl.DataFrame) -> dict[ModelKind, str]:
    """Return the digests of models that are fitted here, without service, database or worker."""
    request = TrainingRequest(
        ticker=frame["ticker"][0],
        feature_set=FEATURE_SET,
        features=FEATURES,
        horizon_minutes=one.environment.models.horizon_minutes,
        seed=one.environment.train.train_seed,
    )
    record = Record(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    return {model.kind: model.bundle.digest for model in train_ticker(frame, request, record)}
