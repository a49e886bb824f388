"""Training as a whole: wishes become jobs, jobs become models, models become deployments, events and profiles."""

import os
import socket
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from shared.contracts.topics import START_MODEL
from shared.errors import TransientError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.consumer import KafkaReader
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.producer import KafkaWriter
from shared.runtime.loops import CommitPolicy, ConsumeLoop, PeriodicLoop
from shared.runtime.process_metrics import watch_disk
from shared.runtime.service import Runtime
from shared.settings import KafkaSettings, ModelSettings, MongoSettings, PostgresSettings
from shared.storage.deployments import Deployments
from shared.storage.documents import DocumentStore
from shared.storage.jobs import TrainingJobs
from shared.storage.outbox import OutboxRelay
from shared.storage.postgres import make_engine
from shared.storage.profile_queue import ProfileQueue
from shared.storage.trainable import TrainableRows
from shared.storage.training_counts import read_counts
from train.board import Board
from train.budget import Budget
from train.companions import Companions
from train.coordinator import Coordinator, Stores
from train.link import WorkerSettings
from train.pool import WorkerPool
from train.profile_writer import ProfileWriter
from train.requests import RequestHandler
from train.settings import TrainSettings, limit_threads
from train.telling import tell_counts, tell_outcome, tell_work

GROUP: Final = "train"
_OUTBOX_SECONDS: Final = 0.5
_PROFILE_SECONDS: Final = 2.0
_COUNT_SECONDS: Final = 5.0
# Wishes are written by many hands, one at a time: nonsense of one says nothing of the next, so no share of it pauses.
_POLICY: Final = CommitPolicy(max_rows=1, max_seconds=1.0, reject_share_max=1.0, idle_seconds=0.0)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where everything is. `group` and `topic` are the consumer group and its topic."""

    kafka: KafkaSettings
    postgres: PostgresSettings
    mongo: MongoSettings
    models: ModelSettings
    train: TrainSettings
    group: str = GROUP
    topic: str = START_MODEL.name

    @classmethod
    def load(cls) -> "Environment":
        """Read it from the environment.

        Raises:
            ConfigurationError: a setting is missing or wrong.
        """
        return cls(
            KafkaSettings.load(),
            PostgresSettings.load(),
            MongoSettings.load(),
            ModelSettings.load(),
            TrainSettings.load(),
        )


class TrainService:
    """The loops of training in one process: the workers' in this thread, and four companions.

    Args:
        runtime: Stop flag, heartbeat, resources.
        environment: Where everything is.
    """

    def __init__(self, runtime: Runtime, environment: Environment) -> None:
        self._runtime = runtime
        self._environment = environment
        self._board = Board(runtime.heartbeat, runtime.clock)
        self._documents = runtime.resources.enter_context(DocumentStore(environment.mongo))
        self._engine = make_engine(environment.postgres)
        runtime.resources.callback(self._engine.dispose)

    def run(self) -> None:
        """Work until stopped.

        Raises:
            ConfigurationError: a person has to act.
            ContractError: the topic is not what it was.
        """
        settings = self._environment.train
        limit_threads()
        self._environment.models.model_dir.mkdir(parents=True, exist_ok=True)
        coordinator = self._coordinator()
        tell_work(coordinator.counters, lambda: coordinator.busy)
        watch_disk("models", self._environment.models.model_dir)
        beats = self._board.part("workers")
        stopping = self._runtime.stopping
        with Companions(stopping) as companions:
            companions.start("requests", self._take_requests)
            companions.start("outbox", self._send_events)
            companions.start("profiles", self._write_profiles)
            companions.start("counts", self._tell_counts)
            try:
                coordinator.run(
                    stopping,
                    settings.train_poll_seconds,
                    lambda said: beats.beat(
                        "paused" if said else "running", said, {"busy": coordinator.busy, **coordinator.counters}
                    ),
                )
            finally:
                stopping.set()

    def _coordinator(self) -> Coordinator:
        environment, settings = self._environment, self._environment.train
        lease = timedelta(seconds=settings.train_lease_seconds)
        told = WorkerSettings(
            environment.postgres, environment.models, self._runtime.settings, lease, settings.train_seed
        )
        pool = WorkerPool(told, self._runtime.name, settings.train_idle_seconds, tell_outcome)
        stores = Stores(TrainingJobs(self._engine), Deployments(self._engine), TrainableRows(self._engine))
        budget = Budget(settings.train_workers, settings.train_memory_mib)
        return Coordinator(stores, pool, budget, lease, f"{socket.gethostname()}:{os.getpid()}", self._runtime.clock)

    def _take_requests(self) -> None:
        environment = self._environment
        runtime = replace(self._runtime, heartbeat=self._board.part("requests"))
        topic_id = self._topic_id(runtime)
        if topic_id is None:
            return
        client = f"{runtime.name}.requests"
        with (
            KafkaWriter(environment.kafka, client) as writer,
            KafkaReader(environment.kafka, environment.group, [environment.topic], client) as reader,
        ):
            used = self._board.part("runs", matters=False)
            jobs, rows = TrainingJobs(self._engine), TrainableRows(self._engine)
            handler = RequestHandler(jobs, rows, topic_id, lambda said: used.beat("running", said))
            letters = DeadLetters(writer, runtime.name, runtime.clock)
            ConsumeLoop(reader, handler, letters, writer, _POLICY, runtime).run()

    def _topic_id(self, runtime: Runtime) -> str | None:
        """Return Kafka's id of the topic, however long Kafka takes to answer; None when stopped meanwhile."""
        admin = KafkaAdmin(self._environment.kafka, f"{runtime.name}.admin")
        while not runtime.stopping():
            try:
                return admin.topic_id(self._environment.topic)
            except TransientError as error:
                runtime.heartbeat.beat("paused", str(error))
                runtime.stopping.wait(_PROFILE_SECONDS)
        return None

    def _send_events(self) -> None:
        runtime = replace(self._runtime, heartbeat=self._board.part("outbox"))
        with KafkaWriter(self._environment.kafka, f"{runtime.name}.outbox") as writer:
            relay = OutboxRelay(self._engine, writer)

            def send() -> None:
                relay.send_pending()

            PeriodicLoop(runtime, _OUTBOX_SECONDS, send).run()

    def _write_profiles(self) -> None:
        runtime = replace(self._runtime, heartbeat=self._board.part("profiles", matters=False))
        writer = ProfileWriter(ProfileQueue(self._engine), self._documents, runtime.clock)
        PeriodicLoop(runtime, _PROFILE_SECONDS, lambda: writer.write_due(runtime.stopping)).run()

    def _tell_counts(self) -> None:
        runtime = replace(self._runtime, heartbeat=self._board.part("counts", matters=False))
        PeriodicLoop(runtime, _COUNT_SECONDS, lambda: tell_counts(read_counts(self._engine))).run()


def train(runtime: Runtime) -> None:
    """Train until stopped.

    Raises:
        ConfigurationError: a person has to act.
        ContractError: the topic is not what it was.
    """
    TrainService(runtime, Environment.load()).run()
