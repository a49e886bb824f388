"""Training jobs: filed once a run, claimed under a lease by one worker, fenced by the number of the attempt."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Engine, case, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from shared.contracts.training import ModelKind
from shared.storage.postgres import transaction
from shared.storage.training_tables import TRAINING_JOBS as JOBS
from shared.storage.training_tables import TRAINING_RUNS as RUNS

JobState = Literal["queued", "running", "done", "failed"]
Stage = Literal["queued", "load", "folds", "fit", "convert", "parity", "write", "deploy"]
Filing = Literal["filed", "again", "used"]
"""What became of a wish: jobs were made; they were made from this very record before; the run id is another one's."""
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run's ticker with jobs that nobody works on."""

    run_id: str
    ticker: str
    feature_set: str


class LostLeaseError(Exception):
    """The job belongs to another attempt by now: drop the work."""


_FREE: Final[ColumnElement[bool]] = (JOBS.c.state == "queued") | (
    (JOBS.c.state == "running") & (JOBS.c.lease_until < func.now())
)
_WORKERS_DIED: Final = (
    f"given up after {ATTEMPTS_MAX} attempts: each time its worker died or was stopped. See the log of train."
)


class TrainingJobs:
    """Files, claims and finishes jobs.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def file(self, run: NewRun) -> Filing:
        """Make the run's jobs, all or none."""
        row = {
            "run_id": run.run_id,
            "source": run.source,
            "feature_set": run.feature_set,
            "reason": run.reason,
            "requested_at": run.requested_at,
        }
        jobs = [
            {"run_id": run.run_id, "ticker": ticker, "kind": kind, "feature_set": run.feature_set}
            for ticker in dict.fromkeys(run.tickers)
            for kind in dict.fromkeys(run.kinds)
        ]
        with transaction(self._engine) as connection:
            made = connection.execute(upsert(RUNS).on_conflict_do_nothing().returning(RUNS.c.run_id), row).scalar()
            if made is None:
                source = connection.execute(select(RUNS.c.source).where(RUNS.c.run_id == run.run_id)).scalar_one()
                return "again" if source == run.source else "used"
            if jobs:
                connection.execute(insert(JOBS), jobs)
        return "filed"

    def waiting(self) -> list[Waiting]:
        """Return what may be claimed: oldest run first, within it what failed already last."""
        lost = (JOBS.c.attempt >= ATTEMPTS_MAX) & _FREE
        given_up = update(JOBS).where(lost).values(**_over("failed"), error=_WORKERS_DIED)
        query = (
            select(JOBS.c.run_id, JOBS.c.ticker, JOBS.c.feature_set)
            .join(RUNS, RUNS.c.run_id == JOBS.c.run_id)
            .where(_FREE)
            .group_by(JOBS.c.run_id, JOBS.c.ticker, JOBS.c.feature_set, RUNS.c.ordinal)
            .order_by(RUNS.c.ordinal, func.max(JOBS.c.failures), JOBS.c.ticker)
        )
        with transaction(self._engine) as connection:
            connection.execute(given_up)
            return [Waiting(*row) for row in connection.execute(query)]

    def claim(self, run_id: str, ticker: str, worker: str, lease: timedelta) -> list[Job]:
        """Take every free job of a run's ticker; nothing where somebody was faster."""
        of_ticker = (JOBS.c.run_id == run_id) & (JOBS.c.ticker == ticker)
        free = select(JOBS.c.job_id).where(of_ticker, _FREE).with_for_update(skip_locked=True)
        taken = (
            update(JOBS)
            .where(JOBS.c.job_id.in_(free))
            .values(
                state="running",
                stage="load",
                progress=0.0,
                attempt=JOBS.c.attempt + 1,
                worker=worker,
                lease_until=func.now() + lease,
                started_at=func.coalesce(JOBS.c.started_at, func.now()),
            )
            .returning(*(JOBS.c[name] for name in Job.__annotations__))
        )
        with transaction(self._engine) as connection:
            jobs = [Job(*row) for row in connection.execute(taken)]
        return sorted(jobs, key=lambda job: job.job_id)

    def renew(self, jobs: Sequence[Job], lease: timedelta) -> list[Job]:
        """Prolong the lease of unfinished jobs; return those that are still ours."""
        still_ours = []
        with transaction(self._engine) as connection:
            for job in sorted(jobs, key=lambda job: job.job_id):
                change = update(JOBS).where(_ours(job)).values(lease_until=func.now() + lease)
                if connection.execute(change).rowcount:
                    still_ours.append(job)
        return still_ours

    def report(self, job: Job, stage: Stage, progress: float) -> None:
        """Say how far a job is, 0 to 1; nothing happens where it is no longer ours."""
        with transaction(self._engine) as connection:
            connection.execute(update(JOBS).where(_ours(job)).values(stage=stage, progress=progress))

    def release(self, jobs: Sequence[Job]) -> None:
        """Give unfinished jobs back, so that nobody has to wait for the lease."""
        with transaction(self._engine) as connection:
            for job in sorted(jobs, key=lambda job: job.job_id):
                back = {"state": "queued", "stage": "queued", "progress": 0.0, "lease_until": None, "worker": None}
                connection.execute(update(JOBS).where(_ours(job)).values(**back))

    def fail(self, job: Job, error: str, *, retry: bool) -> JobState:
        """Say in one line why the job failed; it is queued again if `retry` and FAILURES_MAX allow.

        Raises:
            LostLeaseError: another attempt has it, or it is through.
        """
        over = literal(not retry) | (JOBS.c.failures + 1 >= FAILURES_MAX)
        change = (
            update(JOBS)
            .where(_ours(job))
            .values(
                failures=JOBS.c.failures + 1,
                error=" ".join(error.split())[:1000],
                state=case((over, "failed"), else_="queued"),
                stage=case((over, JOBS.c.stage), else_="queued"),
                finished_at=case((over, func.now()), else_=None),
                lease_until=None,
                worker=None,
            )
            .returning(JOBS.c.state)
        )
        with transaction(self._engine) as connection:
            state: JobState | None = connection.execute(change).scalar()
        if state is None:
            raise LostLeaseError(f"job {job.job_id} is no longer attempt {job.attempt}")
        return state


def hold(connection: Connection, job: Job) -> None:
    """Make sure that the job is still ours until the caller's transaction ends.

    Raises:
        LostLeaseError: another attempt has it; the caller's transaction must roll back.
    """
    if connection.execute(select(JOBS.c.job_id).where(_ours(job)).with_for_update()).scalar() is None:
        raise LostLeaseError(f"job {job.job_id} is no longer attempt {job.attempt}")


def finish(connection: Connection, job: Job, model_id: str, reason: str) -> None:
    """Mark a held job done in the caller's transaction. `reason` says what became of its model."""
    done = _over("done") | {"stage": "deploy", "progress": 1.0}
    connection.execute(update(JOBS).where(_ours(job)).values(**done, model_id=model_id, reason=reason, error=None))


def _ours(job: Job) -> ColumnElement[bool]:
    return (JOBS.c.job_id == job.job_id) & (JOBS.c.attempt == job.attempt) & (JOBS.c.state == "running")


def _over(state: JobState) -> dict[str, Any]:
    return {"state": state, "finished_at": func.now(), "lease_until": None, "worker": None}
