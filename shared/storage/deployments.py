"""What becomes of a trained model: its verdict, its deployment and its event, each step one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from shared.contracts.topics import MODEL_EVENTS
from shared.contracts.training import ModelKind, Verdict
from shared.storage.jobs import Job, finish, hold
from shared.storage.models import (
    Deployment,
    DeploymentEvent,
    Model,
    NewModel,
    deployment_of,
    deployments_query,
    model_of,
    models_query,
)
from shared.storage.outbox import Outbox
from shared.storage.postgres import transaction
from shared.storage.training_tables import DEPLOYMENTS, MODELS, TICKER_PROFILES, TRAINING_JOBS, TRAINING_RUNS


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a new model takes over from the one in force, and why."""

    deploys: bool
    reason: str


Judge = Callable[[Sequence[Mapping[str, Any]], int], Sequence[Verdict]]
"""Turns the metrics of a run's models, and how many it will have, into their verdicts."""
Decide = Callable[[Model, Deployment | None], Decision]


class Deployments:
    """Ends jobs and runs.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def complete(
        self, job: Job, new: NewModel, statistics: Mapping[str, Any], judge: Judge, decide: Decide
    ) -> tuple[Model, Decision]:
        """Register a job's model, deploy it if `decide` says so, and end the job: one transaction.

        The model's verdict counts those models of its run that are not evaluated yet as without any skill, so the only
        way that `settle` may change it is towards a claim that the whole run supports.

        Args:
            job: Whose result this is.
            new: The model; its bundle must be durable.
            statistics: What the ticker's statistical profile is made from.
            judge: Makes verdicts.
            decide: Chooses between the model and the deployment in force.

        Raises:
            LostLeaseError: another attempt has the job; nothing was changed.
        """
        with transaction(self._engine) as connection:
            hold(connection, job)
            _lock(connection, new.ticker)
            verdict = _verdict_so_far(connection, new, judge)
            model = _insert_model(connection, new, verdict)
            current = _in_force(connection, model.ticker, model.kind)
            decision = decide(model, current)
            if decision.deploys:
                deploy(connection, model, current, decision.reason)
                _profile_due(connection, model, statistics)
            finish(connection, job, model.model_id, decision.reason)
        return model, decision

    def unsettled(self) -> list[str]:
        """Return the runs, oldest first, whose jobs are all through but whose verdicts are not final."""
        open_jobs = select(TRAINING_JOBS.c.job_id).where(
            TRAINING_JOBS.c.run_id == TRAINING_RUNS.c.run_id, TRAINING_JOBS.c.state.in_(("queued", "running"))
        )
        query = select(TRAINING_RUNS.c.run_id).where(TRAINING_RUNS.c.settled_at.is_(None), ~open_jobs.exists())
        with transaction(self._engine) as connection:
            return list(connection.execute(query.order_by(TRAINING_RUNS.c.ordinal)).scalars())

    def settle(self, run_id: str, judge: Judge) -> list[Model] | None:
        """Make the verdicts of a run final, over all models that it has: one transaction.

        A model in force is deployed again, so that its newest event has the final verdict and says so.

        Returns:
            The run's models; None where somebody settled it before, or jobs are open.
        """
        if run_id not in self.unsettled():
            return None
        with transaction(self._engine) as connection:
            run = select(TRAINING_RUNS.c.settled_at).where(TRAINING_RUNS.c.run_id == run_id).with_for_update()
            if connection.execute(run).scalar_one() is not None:
                return None
            query = models_query().where(MODELS.c.run_id == run_id).order_by(MODELS.c.ticker, MODELS.c.kind)
            before = [model_of(row) for row in connection.execute(query)]
            verdicts = judge([model.metrics for model in before], len(before)) if before else []
            after = [replace(m, verdict=v, verdict_final=True) for m, v in zip(before, verdicts, strict=True)]
            for old, new in zip(before, after, strict=True):
                _settle_model(connection, old, new)
            done = update(TRAINING_RUNS).where(TRAINING_RUNS.c.run_id == run_id).values(settled_at=func.now())
            connection.execute(done)
        return after


def deploy(
    connection: Connection,
    model: Model,
    previous: Deployment | None,
    reason: str,
    event: DeploymentEvent = "deployed",
) -> Deployment:
    """Put a model in force after `previous`, and its event into the outbox, in the caller's transaction.

    That each deployment follows another one at most is a constraint of the table: of two that were decided on the same
    ground one fails.
    """
    _lock(connection, model.ticker)
    after = previous.sequence if previous else None
    row = {
        "ticker": model.ticker,
        "kind": model.kind,
        "model_id": model.model_id,
        "previous": after,
        "event": event,
        "verdict": model.verdict,
        "reason": reason,
    }
    made = connection.execute(insert(DEPLOYMENTS).returning(DEPLOYMENTS.c.sequence, DEPLOYMENTS.c.at), row).one()
    deployment = Deployment(made.sequence, event, model, after, model.verdict, reason, made.at)
    message = deployment.to_event(_replaced(connection, model))
    unique, headers = f"deployment/{made.sequence}", {"schema": MODEL_EVENTS.schema.encode()}
    Outbox().add(connection, MODEL_EVENTS.name, message.key, message.encode(), unique, headers)
    return deployment


def _lock(connection: Connection, ticker: str) -> None:
    """Hold the ticker's deployments until the transaction ends, so that their sequences are committed in order."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('deployments/' || :t, 0))"), {"t": ticker})


def _verdict_so_far(connection: Connection, new: NewModel, judge: Judge) -> Verdict:
    peers = connection.execute(select(MODELS.c.metrics).where(MODELS.c.run_id == new.run_id)).scalars().all()
    jobs = select(func.count()).select_from(TRAINING_JOBS).where(TRAINING_JOBS.c.run_id == new.run_id)
    return judge([*peers, new.metrics], connection.execute(jobs).scalar_one())[-1]


def _insert_model(connection: Connection, new: NewModel, verdict: Verdict) -> Model:
    of_key = (MODELS.c.ticker == new.ticker) & (MODELS.c.kind == new.kind)
    version = (connection.execute(select(func.max(MODELS.c.version)).where(of_key)).scalar() or 0) + 1
    model_id = f"{new.ticker}-{new.kind}-{version}"
    row = asdict(new) | {"model_id": model_id, "version": version, "verdict": verdict, "verdict_final": False}
    connection.execute(insert(MODELS), row)
    return model_of(connection.execute(models_query().where(MODELS.c.model_id == model_id)).one())


def _in_force(connection: Connection, ticker: str, kind: ModelKind, *also: ColumnElement[bool]) -> Deployment | None:
    query = deployments_query().where(DEPLOYMENTS.c.ticker == ticker, DEPLOYMENTS.c.kind == kind, *also)
    row = connection.execute(query.order_by(DEPLOYMENTS.c.sequence.desc()).limit(1)).one_or_none()
    return None if row is None else deployment_of(row)


def _replaced(connection: Connection, model: Model) -> Deployment | None:
    """Return the newest deployment of another digest than `model`'s, which may be in force; None if retired since."""
    other = (MODELS.c.digest != model.digest) | (DEPLOYMENTS.c.event == "retired")
    found = _in_force(connection, model.ticker, model.kind, other)
    return None if found is None or found.event == "retired" else found


def _settle_model(connection: Connection, old: Model, new: Model) -> None:
    final = {"verdict": new.verdict, "verdict_final": True}
    connection.execute(update(MODELS).where(MODELS.c.model_id == new.model_id).values(**final))
    _lock(connection, new.ticker)
    current = _in_force(connection, new.ticker, new.kind)
    if current is not None and current.event != "retired" and current.model.model_id == new.model_id:
        became = "is final" if old.verdict == new.verdict else f"became {new.verdict}"
        deploy(connection, new, current, f"the run is evaluated as a whole: {old.verdict} {became}")
    due = update(TICKER_PROFILES).where(TICKER_PROFILES.c.ticker == new.ticker)
    connection.execute(due.values(changed=TICKER_PROFILES.c.changed + 1))


def _profile_due(connection: Connection, model: Model, statistics: Mapping[str, Any]) -> None:
    row = upsert(TICKER_PROFILES).values(ticker=model.ticker, run_id=model.run_id, statistics=statistics)
    news = {
        "run_id": model.run_id,
        "statistics": statistics,
        "created_at": func.now(),
        "changed": TICKER_PROFILES.c.changed + 1,
    }
    connection.execute(row.on_conflict_do_update(index_elements=["ticker"], set_=news))
