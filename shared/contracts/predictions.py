"""One answer of the predictor, as it is served and as it travels on `predictions`."""

from typing import Literal

from pydantic import Field

from shared.contracts.facts import Name
from shared.contracts.messages import Instant, Message
from shared.contracts.training import Digest, ModelKind, Verdict


class ModelAnswer(Message):
    """What one model says. `value` is a return (regression) or the probability of a rise (classification)."""

    kind: ModelKind
    model_id: str
    version: int
    digest: Digest
    verdict: Verdict
    value: float


class Baseline(Message):
    """The naive answer that stands beside the models': zero return, and the training rows' share of rises."""

    expected_return: float = 0.0
    probability_up: float | None = Field(None, ge=0, le=1)


class Interval(Message):
    """A range of returns that holds the outcome with `coverage`."""

    low: float
    high: float
    coverage: float = Field(gt=0, lt=1)


class Prediction(Message):
    """A prediction for the `horizon_minutes` after `as_of`, the close of the bar that starts at `timestamp`.

    `leads` says whose answer `expected_return` and `probability_up` are: a model's where one has the verdict skill,
    else the baseline's. `price_level` = `close` * (1 + `expected_return`). `id` is a hash of the models' digests and of
    the feature row's, so the same answer made twice is one prediction.
    """

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    ticker: Name
    timestamp: Instant
    as_of: Instant
    horizon_minutes: int = Field(ge=1)
    close: float = Field(gt=0)
    expected_return: float
    price_level: float
    direction: Literal["up", "down"] | None
    probability_up: float | None = Field(None, ge=0, le=1)
    leads: Literal["model", "baseline"]
    interval: Interval | None = None
    baseline: Baseline
    models: tuple[ModelAnswer, ...]
    feature_set: str
    row_hash: str
    revision: int = Field(ge=1)
    simulated: bool
    replayed: bool
    made_at: Instant
