"""Training jobs: filed once a run, claimed under a lease by one worker, fenced by the number of the attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import Connection, Engine

from shared.contracts.training import ModelKind

JobState = Literal["queued", "running", "done", "failed"]
Stage = Literal["queued", "load", "folds", "fit", "convert", "parity", "write", "deploy"]
FAILURES_MAX: Final = 3
"""A job that has failed so often is given up: the first time and two retries."""
ATTEMPTS_MAX: Final = 20
"""So is one that was claimed so often: the workers that take it die."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a `start_model` asks for, resolved. `source` is the record's topic id, partition and offset."""

    run_id: str
    source: str
    tickers: Sequence[str]
    kinds: Sequence[ModelKind]
    feature_set: str
    reason: str | None = None
    requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job. `attempt` is the fence: a result counts only while it is the job's attempt."""

    job_id: int
    run_id: str
    ticker: str
    kind: ModelKind
    feature_set: str
    attempt: int


class LostLeaseError(Exception):
    """The job belongs to another attempt by now: drop the work."""


class TrainingJobs:
    """Files, claims and finishes jobs.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def file(self, run: NewRun) -> Literal["filed", "again", "used"]:
        """Make the run's jobs, all or none; `again`: from this very record, `used`: the run id is somebody else's."""
        raise NotImplementedError

    def waiting(self) -> list[tuple[str, str, str]]:
        """Return (run id, ticker, feature set) of what may be claimed, oldest run first."""
        raise NotImplementedError

    def claim(self, run_id: str, ticker: str, worker: str, lease: timedelta) -> list[Job]:
        """Take every free job of a run's ticker; nothing where somebody was faster."""
        raise NotImplementedError

    def renew(self, jobs: Sequence[Job], lease: timedelta) -> list[Job]:
        """Prolong the lease of unfinished jobs; return those that are still ours."""
        raise NotImplementedError

    def report(self, job: Job, stage: Stage, progress: float) -> None:
        """Say how far a job is, 0 to 1."""
        raise NotImplementedError

    def finish(self, connection: Connection, job: Job, model_id: str, reason: str) -> None:
        """Mark the job done inside the caller's transaction.

        Raises:
            LostLeaseError: another attempt has it; the caller's transaction must roll back.
        """
        raise NotImplementedError

    def fail(self, job: Job, error: str, *, retry: bool) -> JobState:
        """Say in one line why the job failed; it is queued again if `retry` and FAILURES_MAX allow.

        Raises:
            LostLeaseError: another attempt has it.
        """
        raise NotImplementedError
