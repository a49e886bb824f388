"""Models and the messages around them: what starts training, what was deployed."""

from typing import Annotated, Final, Literal

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


class ModelEvent(Message):
    """What became of a ticker's model of one kind. Only an event with a higher `sequence` than the last one counts.

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
    def _check(self) -> "ModelEvent":
        if self.ticker.startswith(SIMULATED_PREFIX) != self.simulated:
            raise ValueError("the SIM. prefix and the simulated flag disagree")
        return self

    @property
    def key(self) -> bytes:
        """Return the record's key: ticker and kind."""
        return f"{self.ticker}/{self.kind}".encode()
