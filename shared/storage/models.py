"""The registry of models and their deployments. `deployments` is the only authority on what is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, Row, Select, func, select

from shared.contracts.training import DeployedModel, ModelEvent, ModelKind, Verdict
from shared.storage.postgres import transaction
from shared.storage.training_tables import DEPLOYMENTS, MODELS, TRAINING_RUNS

DeploymentEvent = Literal["deployed", "rolled_back", "retired"]


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model whose bundle is durable, before it has a version. `metrics` is its evaluation as JSON."""

    ticker: str
    kind: ModelKind
    digest: str
    run_id: str
    feature_set: str
    horizon_minutes: int
    metrics: Mapping[str, Any]
    seconds: Mapping[str, float]
    trained_from: datetime
    trained_to: datetime
    rows: int
    simulated: bool


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the registry. `verdict_final` is false until every model of its run is evaluated."""

    model_id: str
    ticker: str
    kind: ModelKind
    version: int
    digest: str
    run_id: str
    run_ordinal: int
    feature_set: str
    horizon_minutes: int
    verdict: Verdict
    verdict_final: bool
    metrics: Mapping[str, Any]
    seconds: Mapping[str, float]
    trained_from: datetime
    trained_to: datetime
    rows: int
    simulated: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Deployment:
    """What became of a ticker's kind at `at`; the one with the highest sequence is in force."""

    sequence: int
    event: DeploymentEvent
    model: Model
    previous: int | None
    verdict: Verdict
    reason: str
    at: datetime

    def to_event(self, replaced: "Deployment | None" = None) -> ModelEvent:
        """Return the message that tells predictors, with what it replaced."""
        return ModelEvent(**self.told().model_dump(), replaced=replaced.told() if replaced else None)

    def told(self) -> DeployedModel:
        """Return what predictors are told of the model."""
        model = self.model
        return DeployedModel(
            event=self.event,
            sequence=self.sequence,
            ticker=model.ticker,
            kind=model.kind,
            model_id=model.model_id,
            version=model.version,
            digest=model.digest,
            verdict=self.verdict,
            verdict_final=model.verdict_final,
            feature_set=model.feature_set,
            horizon_minutes=model.horizon_minutes,
            simulated=model.simulated,
            run_id=model.run_id,
            at=self.at,
        )


_MODEL_COLUMNS: Final = tuple(name for name in Model.__annotations__ if name != "run_ordinal")


class ModelRegistry:
    """Models and deployments.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def served(self, ticker: str | None = None) -> list[Deployment]:
        """Return the deployment in force of each ticker and kind, by name; retired ones are left out."""
        with transaction(self._engine) as connection:
            return in_force(connection, ticker)

    def models(self, ticker: str | None = None, run_id: str | None = None) -> list[Model]:
        """Return models, by ticker, kind and version."""
        query = models_query()
        if ticker is not None:
            query = query.where(MODELS.c.ticker == ticker)
        if run_id is not None:
            query = query.where(MODELS.c.run_id == run_id)
        with transaction(self._engine) as connection:
            rows = connection.execute(query.order_by(MODELS.c.ticker, MODELS.c.kind, MODELS.c.version))
            return [model_of(row) for row in rows]

    def model(self, model_id: str) -> Model | None:
        """Return one model."""
        with transaction(self._engine) as connection:
            row = connection.execute(models_query().where(MODELS.c.model_id == model_id)).one_or_none()
            return None if row is None else model_of(row)

    def history(self, ticker: str, kind: ModelKind | None = None) -> list[Deployment]:
        """Return every deployment of a ticker, oldest first."""
        query = deployments_query().where(DEPLOYMENTS.c.ticker == ticker)
        if kind is not None:
            query = query.where(DEPLOYMENTS.c.kind == kind)
        with transaction(self._engine) as connection:
            return [deployment_of(row) for row in connection.execute(query.order_by(DEPLOYMENTS.c.sequence))]


def in_force(connection: Connection, ticker: str | None = None) -> list[Deployment]:
    """Return the deployment in force of each ticker and kind, by name; retired ones are left out."""
    newest = select(func.max(DEPLOYMENTS.c.sequence)).group_by(DEPLOYMENTS.c.ticker, DEPLOYMENTS.c.kind)
    query = deployments_query().where(DEPLOYMENTS.c.event != "retired")
    if ticker is not None:
        newest = newest.where(DEPLOYMENTS.c.ticker == ticker)
    query = query.where(DEPLOYMENTS.c.sequence.in_(newest))
    rows = connection.execute(query.order_by(DEPLOYMENTS.c.ticker, DEPLOYMENTS.c.kind))
    return [deployment_of(row) for row in rows]


def models_query() -> Select[Any]:
    """Return the query of models: what `model_of` takes."""
    columns = [MODELS.c[name] for name in _MODEL_COLUMNS]
    return select(*columns, TRAINING_RUNS.c.ordinal.label("run_ordinal")).join(
        TRAINING_RUNS, TRAINING_RUNS.c.run_id == MODELS.c.run_id
    )


def model_of(row: Row[Any]) -> Model:
    """Return the model in a row."""
    return Model(**{name: getattr(row, name) for name in Model.__annotations__})


def deployments_query() -> Select[Any]:
    """Return the query of deployments with their models: what `deployment_of` takes."""
    own = [DEPLOYMENTS.c[name].label(f"deployment_{name}") for name in ("event", "verdict", "reason", "at")]
    return (
        models_query()
        .join(DEPLOYMENTS, DEPLOYMENTS.c.model_id == MODELS.c.model_id)
        .add_columns(DEPLOYMENTS.c.sequence, DEPLOYMENTS.c.previous, *own)
    )


def deployment_of(row: Row[Any]) -> Deployment:
    """Return the deployment in a row."""
    return Deployment(
        row.sequence,
        row.deployment_event,
        model_of(row),
        row.previous,
        row.deployment_verdict,
        row.deployment_reason,
        row.deployment_at,
    )
