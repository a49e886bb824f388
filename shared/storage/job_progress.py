"""How far training is, as a read model for the command and the page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from shared.contracts.training import ModelKind
from shared.storage.jobs import JobState, Stage


@dataclass(frozen=True, slots=True)
class JobProgress:
    """One job. `error` is why its last attempt failed, one line; also while it waits for the next one."""

    kind: ModelKind
    state: JobState
    stage: Stage
    progress: float
    attempt: int
    failures: int
    error: str | None
    model_id: str | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class TickerProgress:
    """A run's ticker: the mean of its jobs' progress (0 to 1; a failed job counts as through), and each job."""

    run_id: str
    ticker: str
    feature_set: str
    progress: float
    stage: Stage
    state: JobState
    jobs: tuple[JobProgress, ...]


@dataclass(frozen=True, slots=True)
class RunProgress:
    """One run of training; `settled_at` is when its verdicts became final."""

    run_id: str
    reason: str | None
    feature_set: str
    filed_at: datetime
    settled_at: datetime | None
    queued: int
    running: int
    done: int
    failed: int


class JobsView:
    """Reads jobs and runs.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def progress_of(self, run_id: str | None = None) -> list[TickerProgress]:
        """Return the progress of each ticker of a run, by name; of the newest run where none is given."""
        raise NotImplementedError

    def runs(self, limit: int = 20) -> list[RunProgress]:
        """Return the newest runs, newest first."""
        raise NotImplementedError
