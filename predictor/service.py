"""The predictor as a whole: two compacted topics and the model volume become answers, which HTTP serves."""

import threading
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from predictor.answers import AnswerBook, Shown, is_later
from predictor.app import create_app, measured
from predictor.broadcast import Broadcast
from predictor.desk import Books, Desk, Health, Stores, Truth
from predictor.engine import Engine, Outlets
from predictor.feeds import Feed, Refusals, Threads
from predictor.history import Past
from predictor.metrics import tell_books
from predictor.models import ModelBook
from predictor.runs import RunBook, TrainingWatch, decode_run
from predictor.server import Server, listen, url_of
from predictor.settings import PredictorSettings
from predictor.views import ModelsView, alert_view, model_view
from shared.contracts.rows import FeatureRow
from shared.contracts.topics import FEATURES, MODEL_EVENTS, RUNS
from shared.contracts.training import ModelEvent
from shared.contracts.truth import TRUTH_FILE
from shared.errors import PoisonMessageError
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.producer import KafkaWriter
from shared.metrics.serving import PREDICTIONS
from shared.ports import Record
from shared.runtime.process_metrics import watch_disk
from shared.runtime.service import Runtime
from shared.settings import KafkaSettings, ModelSettings, PostgresSettings
from shared.storage.closes import CloseReader
from shared.storage.job_progress import JobsView, TickerProgress
from shared.storage.models import ModelRegistry
from shared.storage.postgres import make_engine
from shared.storage.prediction_ledger import PredictionLedger

JOIN_SECONDS: Final = 7.0
JOB: Final = TypeAdapter(TickerProgress)


def serve(runtime: Runtime) -> None:
    """Serve until stopped.

    Raises:
        ConfigurationError: a setting is wrong, or the address is taken.
        ContractError: a topic is missing, or a record is newer than this release.
    """
    settings = PredictorSettings.load()
    desk = make_desk(runtime, settings)
    service = Service(runtime, desk, KafkaSettings.load())
    opened = listen(settings.predictor_host, settings.predictor_port)
    runtime.resources.callback(opened.close)
    beat = partial(service.beat, url_of(opened))
    server = Server(measured(create_app(desk), desk), runtime.stopping, beat, desk.broadcast.close)
    service.start()
    try:
        server.run([opened])
    finally:
        runtime.stopping.set()
        service.threads.join(JOIN_SECONDS)


def make_desk(runtime: Runtime, settings: PredictorSettings) -> Desk:
    """Return everything that routes answer from, still empty."""
    models = ModelSettings.load()
    engine = make_engine(PostgresSettings.load())
    runtime.resources.callback(engine.dispose)
    past = Past(PredictionLedger(engine), CloseReader(engine))
    return Desk(
        settings=settings,
        clock=runtime.clock,
        books=Books(
            models=ModelBook(Path(models.model_dir), runtime.clock.now),
            answers=AnswerBook(settings.predictor_keep),
            runs=RunBook(),
            truth=Truth(runtime.settings.tickerstream_home / TRUTH_FILE),
        ),
        stores=Stores(past, ModelRegistry(engine), TrainingWatch(JobsView(engine))),
        wishes=runtime.resources.enter_context(KafkaWriter(KafkaSettings.load(), f"{runtime.name}.wishes")),
        broadcast=Broadcast(),
        health=Health(),
    )


class Service:
    """The threads that keep the desk's books: one a topic, and one that looks at training jobs.

    Args:
        runtime: Stop flag, clock, heartbeat.
        desk: The books.
        kafka: Where Kafka is.
    """

    def __init__(self, runtime: Runtime, desk: Desk, kafka: KafkaSettings) -> None:
        self.threads = Threads(runtime.stopping)
        self._runtime = runtime
        self._desk = desk
        self._feeds = {
            topic: Feed(kafka, topic, runtime.stopping) for topic in (MODEL_EVENTS.name, FEATURES.name, RUNS.name)
        }
        writer = runtime.resources.enter_context(KafkaWriter(kafka, runtime.name))
        self._refusals = Refusals(DeadLetters(writer, runtime.name, runtime.clock))
        outlets = Outlets(writer, Teller(desk), runtime.stopping)
        self._engine = Engine(desk.models, desk.answers, outlets, runtime.clock)
        self._models_read = threading.Event()
        desk.health.troubles = lambda: {name: feed.trouble for name, feed in self._feeds.items()}
        tell_books(desk)
        watch_disk("models", ModelSettings.load().model_dir)

    def start(self) -> None:
        """Start all threads."""
        for work in (self._keep_models, self._keep_answers, self._keep_runs, self._watch_jobs):
            self.threads.start(work.__name__.strip("_"), work)

    def beat(self, url: str) -> None:
        """Say how the predictor is."""
        desk, health = self._desk, self._desk.health
        trouble = next((text for text in health.troubles().values() if text), "")
        state = "paused" if trouble else "running" if health.ready else "starting"
        counters = {
            "tickers": len(desk.answers.newest),
            "models": desk.models.serving_count,
            "alerts": len(desk.models.alerts()),
            "refused": self._refusals.count,
        }
        self._runtime.heartbeat.beat(state, trouble or url, counters)  # type: ignore[arg-type]

    def _keep_models(self) -> None:
        """Load what is deployed, then follow deployments; what failed is tried again now and then."""
        feed, book = self._feeds[MODEL_EVENTS.name], self._desk.models
        events: list[ModelEvent] = []
        feed.read(lambda record: events.extend(self._events([record])))
        book.restore(events, self._desk.settings.predictor_load_threads)
        self._desk.health.restored[MODEL_EVENTS.name] = True
        self._models_read.set()
        pause = timedelta(seconds=self._desk.settings.predictor_retry_seconds)
        retry_at = self._desk.now() + pause

        def take(records: list[Record]) -> None:
            nonlocal retry_at
            for event in self._events(records):
                self._engine.take_event(event)
            if self._desk.now() >= retry_at:
                self._engine.retry_models()
                retry_at = self._desk.now() + pause

        feed.follow(take)

    def _keep_answers(self) -> None:
        """Answer the newest row of each ticker, then each new row."""
        feed = self._feeds[FEATURES.name]
        newest: dict[str, FeatureRow] = {}

        def take(record: Record) -> None:
            for row in self._rows([record]):
                self._desk.answers.add_closes([row])
                if row.ticker not in newest or is_later(row, newest[row.ticker]):
                    newest[row.ticker] = row

        feed.read(take)
        while not self._models_read.wait(0.2) or self._runtime.stopping():
            if self._runtime.stopping():
                return  # what was read may be half of it
        self._engine.take_rows(newest.values())
        newest.clear()
        self._desk.health.restored[FEATURES.name] = True
        feed.follow(lambda records: self._engine.take_rows(list(self._rows(records))))

    def _keep_runs(self) -> None:
        feed = self._feeds[RUNS.name]
        feed.read(lambda record: self._take_runs([record]))
        self._desk.health.restored[RUNS.name] = True
        feed.follow(self._take_runs)

    def _take_runs(self, records: list[Record]) -> None:
        for event in self._refusals.decoded(records, decode_run):
            view = self._desk.books.runs.view(self._desk.books.runs.take(event))
            if view is not None:
                self._desk.broadcast.tell("run", view.model_dump_json().encode())

    def _watch_jobs(self) -> None:
        while not self._runtime.stopping.wait(self._desk.settings.predictor_jobs_seconds):
            for ticker in self._desk.stores.training.look():
                self._desk.broadcast.tell("job", JOB.dump_json(ticker), ticker.ticker)

    def _events(self, records: Iterable[Record]) -> Iterable[ModelEvent]:
        return self._refusals.decoded(records, decode_event)

    def _rows(self, records: Iterable[Record]) -> Iterable[FeatureRow]:
        return self._refusals.decoded(records, decode_row)


class Teller:
    """Tells listeners and metrics what the engine did.

    Args:
        desk: Where both are.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def answered(self, shown: Shown) -> None:
        """Tell of an answer."""
        PREDICTIONS.inc()
        self._desk.broadcast.tell("prediction", shown.body(self._desk.now().timestamp()), shown.ticker)

    def models_changed(self, ticker: str) -> None:
        """Tell of models."""
        view = ModelsView(
            models=[model_view(model) for model in self._desk.models.of(ticker).values()],
            alerts=[alert_view(alert) for alert in self._desk.models.alerts(ticker)],
        )
        self._desk.broadcast.tell("model", view.model_dump_json().encode(), ticker)


def decode_event(record: Record) -> ModelEvent:
    """Return the deployment in a record.

    Raises:
        PoisonMessageError: there is none, or the key is another ticker's or kind's.
    """
    event = ModelEvent.decode(record.value)
    if record.key != event.key:
        raise PoisonMessageError(f"the key is {record.key!r}, the deployment is of {event.key!r}", "wrong_key")
    return event


def decode_row(record: Record) -> FeatureRow:
    """Return the feature row in a record.

    Raises:
        PoisonMessageError: there is none, or the key is another ticker's.
    """
    row = FeatureRow.decode(record.value)
    if record.key != row.ticker.encode():
        raise PoisonMessageError(f"the key is {record.key!r}, the row is of {row.ticker}", "wrong_key")
    return row
