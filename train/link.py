"""What the service and its workers say to each other. A worker's libraries are imported in the worker only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Final

from shared.contracts.training import ModelKind, Verdict
from shared.settings import ModelSettings, PostgresSettings, RuntimeSettings
from shared.storage.jobs import Job

ALIVE: Final = "alive"
"""Said about three times a lease."""
READY: Final = "ready"
"""Said when a worker waits for work, the first time once it has imported everything: no lease runs meanwhile."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt at a job: its model's verdict, None where it failed, and the seconds of each stage."""

    kind: ModelKind
    verdict: Verdict | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs to know; it reads no environment of its own."""

    postgres: PostgresSettings
    models: ModelSettings
    runtime: RuntimeSettings
    lease: timedelta
    seed: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker is handed. The models are the same with any number of threads.

    Attributes:
        jobs: Of one ticker and run.
        at_once: How many of them are trained at the same time.
        threads: To fit each of these with.
    """

    jobs: Sequence[Job]
    at_once: int
    threads: int


def begin(settings: WorkerSettings, parent: Connection, name: str) -> None:
    """Be a worker: see train.worker.work."""
    from train.worker import work  # the service itself never needs a library that fits models

    work(settings, parent, name)
