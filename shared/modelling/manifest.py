"""What a bundle says of its model: everything in `Manifest` is part of the digest, nothing in `Record` is."""

from typing import Literal

from pydantic import Field

from shared.contracts.messages import Instant, Message
from shared.contracts.training import Digest, ModelKind
from shared.modelling.evaluation import Evaluation

Task = Literal["regression", "classification"]


class Parity(Message):
    """How far the served graph is from the fitted model, over every row of the evaluation and the sample with nulls.

    `largest` is the largest absolute difference, `deviation` the standard deviation of the fitted model's answers.
    """

    rows: int = Field(ge=1)
    rows_with_nulls: int = Field(ge=0)
    largest: float = Field(ge=0)
    deviation: float = Field(ge=0)


class Manifest(Message):
    """A model and where it comes from. No clock time of its making is in here: equal rows and seed, equal manifest.

    `features` are the columns of the input in order. `prior_up` is the share of rises in the training rows.
    `trained_from` and `trained_to` are the starts of the first and last labelled bar, `rows` their number.
    """

    schema_version: Literal[1] = 1
    ticker: str
    kind: ModelKind
    task: Task
    feature_set: str
    features: tuple[str, ...] = Field(min_length=1)
    features_hash: Digest
    horizon_minutes: int = Field(ge=1)
    session: Literal["regular", "extended"]
    simulated: bool
    trained_from: Instant
    trained_to: Instant
    rows: int = Field(ge=1)
    sessions: int = Field(ge=1)
    training_rows_hash: Digest
    prior_up: float | None = Field(ge=0, le=1)
    seed: int
    implementation: str
    parameters: dict[str, float | int | str | bool]
    libraries: dict[str, str]
    evaluation: Evaluation
    parity: Parity
    files: dict[str, Digest]


class Record(Message):
    """The making of a bundle: outside the digest, so that the same model made twice is one bundle."""

    created_at: Instant
    run_id: str | None = None
    lineage: dict[str, str] = Field(default_factory=dict)
