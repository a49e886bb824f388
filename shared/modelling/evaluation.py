"""What evaluation says of one model: the primary loss with its interval, metrics and baselines on the same rows."""

from typing import Literal

from pydantic import Field

from shared.contracts.messages import Instant, Message

Scores = dict[str, float | None]
"""Metric name to value; null where it is not defined (no rows, a single class)."""


class Primary(Message):
    """The one loss that decides: a model's beside the baseline's, out of sample, on the same rows.

    `gain` is baseline loss minus model loss a row (positive: the model is better) with its 95 % interval by whole
    sessions. `p_skill` and `p_worse` are one-sided; null with the verdict `insufficient`.
    """

    loss_name: Literal["mse", "log_loss"]
    baseline_name: Literal["zero", "training_prior"]
    rows: int = Field(ge=0)
    sessions: int = Field(ge=0)
    loss: float | None = None
    baseline_loss: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    p_skill: float | None = Field(None, ge=0, le=1)
    p_worse: float | None = Field(None, ge=0, le=1)


class FoldReport(Message):
    """One fold: what it was fitted on and tested on. `purged` rows were taken out of the training rows."""

    fitted_rows: int
    purged: int
    test_rows: int
    test_sessions: int
    test_from: Instant
    test_to: Instant
    gain: float | None


class Evaluation(Message):
    """The out-of-sample account of one model. `executable` scores the same answers on returns one could have had."""

    primary: Primary
    metrics: Scores
    in_sample: Scores
    baselines: dict[str, Scores]
    executable: Scores
    folds: tuple[FoldReport, ...]
