"""What HTTP and the event stream say of tickers and models, as documented in OpenAPI."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from predictor.answering import ServingModel
from predictor.models import Alert
from shared.contracts.predictions import Prediction
from shared.contracts.training import ModelKind, Verdict
from shared.contracts.truth import PlantedTruth
from shared.modelling.evaluation import Primary, Scores


class ServedPrediction(Prediction):
    """A prediction and its age. It is stale once the minutes that it speaks of have passed."""

    age_seconds: float = Field(ge=0, description="since `as_of`; of simulated and replayed rows since their making")
    stale: bool


class CallerPrediction(Prediction):
    """An answer to bars that the caller brought. It is not published, and no score ever counts it."""

    counted: Literal[False] = False
    origin: Literal["caller"] = "caller"
    bars: int = Field(description="bars that were used")
    features_null: list[str] = Field(description="features of the row without a value, for want of bars")


class AlertView(BaseModel):
    """A deployment that could not take effect; the model shown, if any, goes on serving."""

    ticker: str
    kind: ModelKind
    version: int
    digest: str
    sequence: int
    reason: str
    at: datetime


class ModelView(BaseModel):
    """A model that serves, and what evaluation says of it: out of sample, beside its baseline on the same rows."""

    ticker: str
    kind: ModelKind
    model_id: str
    version: int
    digest: str
    sequence: int
    event: str
    verdict: Verdict
    verdict_final: bool | None = Field(description="whether models of its run may still change it; null: not told")
    feature_set: str
    horizon_minutes: int
    simulated: bool
    run_id: str | None
    deployed_at: datetime
    trained_from: datetime
    trained_to: datetime
    rows: int
    sessions: int
    implementation: str
    primary: Primary
    metrics: Scores
    in_sample: Scores
    baselines: dict[str, Scores]
    executable: Scores
    prior_up: float | None


class ModelsView(BaseModel):
    """Models that serve, and deployments that could not take effect."""

    models: list[ModelView]
    alerts: list[AlertView]


class DeploymentView(BaseModel):
    """The model of one kind that was in force at an instant, as the registry tells."""

    ticker: str
    kind: ModelKind
    model_id: str
    version: int
    digest: str
    sequence: int
    event: str
    verdict: Verdict
    at: datetime


class PlantedView(BaseModel):
    """What the simulated exchange has planted in a ticker: the correlation that a perfect model would reach."""

    information_coefficient: float
    mechanism: str
    window_minutes: int
    horizon_minutes: int
    signal: str


class TickerView(BaseModel):
    """A ticker that features or models are known of."""

    ticker: str
    simulated: bool
    replayed: bool
    timestamp: datetime | None = Field(description="start of its newest bar")
    close: float | None
    feature_set: str | None
    age_seconds: float | None
    verdicts: dict[ModelKind, Verdict]
    alerts: int
    prediction: ServedPrediction | None
    missing: list[str] = Field(description="what would have to be there for an answer")
    reason: str | None
    planted: PlantedView | None


def model_view(model: ServingModel) -> ModelView:
    """Return what is told of a model."""
    event, manifest = model.event, model.bundle.manifest
    evaluation = manifest.evaluation
    return ModelView(
        ticker=event.ticker,
        kind=event.kind,
        model_id=event.model_id,
        version=event.version,
        digest=event.digest,
        sequence=event.sequence,
        event=event.event,
        verdict=event.verdict,
        verdict_final=event.verdict_final,
        feature_set=event.feature_set,
        horizon_minutes=event.horizon_minutes,
        simulated=event.simulated,
        run_id=event.run_id,
        deployed_at=event.at,
        trained_from=manifest.trained_from,
        trained_to=manifest.trained_to,
        rows=manifest.rows,
        sessions=manifest.sessions,
        implementation=manifest.implementation,
        primary=evaluation.primary,
        metrics=evaluation.metrics,
        in_sample=evaluation.in_sample,
        baselines=evaluation.baselines,
        executable=evaluation.executable,
        prior_up=manifest.prior_up,
    )


def alert_view(alert: Alert) -> AlertView:
    """Return what is told of an alert."""
    event = alert.event
    return AlertView(
        ticker=event.ticker,
        kind=event.kind,
        version=event.version,
        digest=event.digest,
        sequence=event.sequence,
        reason=alert.reason,
        at=alert.at,
    )


def planted_view(truth: PlantedTruth) -> PlantedView:
    """Return what is told of the planted truth."""
    return PlantedView(
        information_coefficient=truth.information_coefficient,
        mechanism=truth.mechanism,
        window_minutes=truth.window_minutes,
        horizon_minutes=truth.horizon_minutes,
        signal=truth.signal,
    )
