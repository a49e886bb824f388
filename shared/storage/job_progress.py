"""How far training is, as a read model for the command and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from sqlalchemy import Engine, Row, func, select

from shared.contracts.training import ModelKind
from shared.storage.jobs import JobState, Stage
from shared.storage.postgres import transaction
from shared.storage.training_tables import TRAINING_JOBS as JOBS
from shared.storage.training_tables import TRAINING_RUNS as RUNS

_JOB_COLUMNS: Final = (
    "kind",
    "state",
    "stage",
    "progress",
    "attempt",
    "failures",
    "reason",
    "error",
    "model_id",
    "started_at",
    "finished_at",
)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """One job. `reason` is what became of its model; `error` why its last attempt failed, also while it waits again."""

    kind: ModelKind
    state: JobState
    stage: Stage
    progress: float
    attempt: int
    failures: int
    reason: str | None
    error: str | None
    model_id: str | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class TickerProgress:
    """A run's ticker: the mean of its jobs' progress (0 to 1; a failed job counts as through), and each job.

    `state` is running while any job is, then queued, failed, done; `stage` is that of the first job in that state.
    """

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
        newest = select(RUNS.c.run_id).order_by(RUNS.c.ordinal.desc()).limit(1).scalar_subquery()
        query = (
            select(JOBS.c.ticker, JOBS.c.run_id, JOBS.c.feature_set, *(JOBS.c[name] for name in _JOB_COLUMNS))
            .where(JOBS.c.run_id == (newest if run_id is None else run_id))
            .order_by(JOBS.c.ticker, JOBS.c.job_id)
        )
        with transaction(self._engine) as connection:
            rows = connection.execute(query).all()
        return [_ticker_progress(list(of_ticker)) for _, of_ticker in groupby(rows, key=lambda row: row.ticker)]

    def runs(self, limit: int = 20) -> list[RunProgress]:
        """Return the newest runs, newest first."""
        counts = (
            func.count(JOBS.c.job_id).filter(JOBS.c.state == state) for state in ("queued", "running", "done", "failed")
        )
        query = (
            select(RUNS.c.run_id, RUNS.c.reason, RUNS.c.feature_set, RUNS.c.filed_at, RUNS.c.settled_at, *counts)
            .join(JOBS, JOBS.c.run_id == RUNS.c.run_id, isouter=True)
            .group_by(RUNS.c.run_id)
            .order_by(RUNS.c.ordinal.desc())
            .limit(limit)
        )
        with transaction(self._engine) as connection:
            return [RunProgress(*row) for row in connection.execute(query)]


def _ticker_progress(rows: Sequence[Row[tuple[object, ...]]]) -> TickerProgress:
    jobs = tuple(JobProgress(**{name: getattr(row, name) for name in _JOB_COLUMNS}) for row in rows)
    of_state: dict[JobState, JobProgress] = {job.state: job for job in reversed(jobs)}
    order: tuple[JobState, ...] = ("running", "queued", "failed", "done")
    state = next(state for state in order if state in of_state)
    through = sum(1.0 if job.state == "failed" else job.progress for job in jobs)
    first = rows[0]
    return TickerProgress(
        first.run_id, first.ticker, first.feature_set, through / len(jobs), of_state[state].stage, state, jobs
    )
