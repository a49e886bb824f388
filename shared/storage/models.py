"""The registry of models and their deployments. `deployments` is the only authority on what is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from shared.contracts.training import ModelEvent, ModelKind, Verdict

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

    def to_event(self) -> ModelEvent:
        """Return the message that tells predictors."""
        raise NotImplementedError


class ModelRegistry:
    """Reads models and deployments.

    Args:
        engine: A PostgreSQL that is migrated.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def served(self, ticker: str | None = None) -> list[Deployment]:
        """Return the deployment in force of each ticker and kind, by name; retired ones are left out."""
        raise NotImplementedError

    def models(self, ticker: str | None = None, run_id: str | None = None) -> list[Model]:
        """Return models, by ticker, kind and version."""
        raise NotImplementedError

    def model(self, model_id: str) -> Model | None:
        """Return one model."""
        raise NotImplementedError

    def history(self, ticker: str, kind: ModelKind | None = None) -> list[Deployment]:
        """Return every deployment of a ticker, oldest first."""
        raise NotImplementedError


def insert_model(connection: Connection, new: NewModel, verdict: Verdict) -> Model:
    """Add a model with the next version of its ticker and kind; holds their lock until the transaction ends."""
    raise NotImplementedError


def deploy(connection: Connection, model: Model, previous: Deployment | None, reason: str) -> Deployment:
    """Put a model in force after `previous`, and its event into the outbox, in the caller's transaction.

    Raises:
        ReplacedError: somebody deployed since `previous` was read; decide again.
    """
    raise NotImplementedError
