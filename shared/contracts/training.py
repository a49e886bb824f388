"""Models and the messages around them: what starts training, what was deployed."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.facts import Name
from shared.contracts.messages import Instant, Message

ModelKind = Literal["regression_rf", "classification_rf", "regression_gb"]
MODEL_KINDS: Final[tuple[ModelKind, ...]] = ("regression_rf", "classification_rf", "regression_gb")

Verdict = Literal["skill", "no skill", "worse", "insufficient"]
"""What an out-of-sample score, with its interval, says against the naive baseline on the same rows."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StartModel(Message):
    """A wish for training; a person may send `{"tickers": ["AAPL"]}` by hand. Every field is optional.

    Without `tickers` all active ones are meant, without `kinds` all kinds, without `feature_set` the one in use.
    """

    run_id: str | None = Field(None, min_length=1, max_length=200)
    tickers: tuple[Name, ...] | None = Field(None, min_length=1)
    kinds: tuple[ModelKind, ...] | None = Field(None, min_length=1)
    reason: str | None = Field(None, max_length=1000)
    requested_at: Instant | None = None
    feature_set: str | None = Field(None, min_length=1, max_length=64)


class DeployedModel(Message):
    """A model of a ticker and kind, and what was told of it when it was put in force.

    `digest` names the bundle: the folder on the model volume, and the SHA-256 that its content has. `verdict_final` is
    false while models of the same run are not evaluated, which may turn "no skill" into another verdict; another event
    of the same model says what is final. None: not told.
    """

    event: Literal["deployed", "rolled_back", "retired"]
    sequence: int = Field(ge=1)
    ticker: Name
    kind: ModelKind
    model_id: str = Field(min_length=1)
    version: int = Field(ge=1)
    digest: Digest
    verdict: Verdict
    verdict_final: bool | None = None
    feature_set: str
    horizon_minutes: int = Field(ge=1)
    simulated: bool
    run_id: str | None = None
    at: Instant

    @model_validator(mode="after")
    def _check_world(self) -> Self:
        if self.ticker.startswith(SIMULATED_PREFIX) != self.simulated:
            raise ValueError("the SIM. prefix and the simulated flag disagree")
        return self

    @property
    def key(self) -> bytes:
        """Return the record's key: ticker and kind."""
        return f"{self.ticker}/{self.kind}".encode()


class ModelEvent(DeployedModel):
    """What became of a ticker's model of one kind. Only an event with a higher `sequence` than the last one counts.

    `replaced` is the model of another digest that was in force until then, as it was told last: the topic is compacted,
    so a reader that starts late and cannot load this one knows what served before. None: none was, or not told.
    """

    replaced: DeployedModel | None = None

    @model_validator(mode="after")
    def _check_replaced(self) -> Self:
        other = self.replaced
        if other is not None and (other.key != self.key or other.sequence >= self.sequence):
            raise ValueError("`replaced` is of another ticker or kind, or not of a lower sequence")
        return self

    @property
    def before(self) -> "ModelEvent | None":
        """Return what was told of the model that this one replaced."""
        return ModelEvent(**self.replaced.model_dump()) if self.replaced else None
