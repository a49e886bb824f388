"""The answer to a feature row, pure: which models may speak, who leads, and the id that the same answer always has."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from shared.contracts.predictions import Baseline, ModelAnswer, Prediction
from shared.contracts.rows import FeatureRow
from shared.contracts.training import MODEL_KINDS, ModelEvent
from shared.errors import ContractError
from shared.features.rows import values_vector
from shared.modelling.bundle import LoadedBundle

SKILL: Final = "skill"
_ORDER: Final = {kind: number for number, kind in enumerate(MODEL_KINDS)}


@dataclass(frozen=True, slots=True)
class ServingModel:
    """A verified model and the deployment that put it here."""

    event: ModelEvent
    bundle: LoadedBundle

    @property
    def is_classifier(self) -> bool:
        """Return whether it answers with the probability of a rise."""
        return self.bundle.manifest.task == "classification"


class NoAnswerError(Exception):
    """There is no answer for a row; `missing` says what would have to be there."""

    def __init__(self, reason: str, missing: Sequence[str]) -> None:
        super().__init__(reason)
        self.missing = tuple(missing)


def prediction_id(digests: Iterable[str], row_hash: str) -> str:
    """Return the id of an answer: 32 hex digits, BLAKE2b over the digests in sorted order and the row's hash."""
    content = "\n".join([*sorted(digests), row_hash])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def fitting(models: Iterable[ServingModel], feature_set: str) -> list[ServingModel]:
    """Return the models that can answer a row of `feature_set` together, in the order of the kinds.

    Where horizons differ, the newest deployment's counts: one answer has one horizon.

    Raises:
        NoAnswerError: there is none.
    """
    given = sorted(models, key=lambda model: _ORDER[model.event.kind])
    if not given:
        raise NoAnswerError("no model serves this ticker yet", ["models"])
    able = [model for model in given if model.bundle.manifest.feature_set == feature_set]
    if not able:
        sets = ", ".join(sorted({model.bundle.manifest.feature_set for model in given}))
        raise NoAnswerError(
            f"the models are of feature set {sets}, the newest row is of {feature_set}", [f"models of {feature_set}"]
        )
    horizon = max(able, key=lambda model: model.event.sequence).event.horizon_minutes
    return [model for model in able if model.event.horizon_minutes == horizon]


def answer(row: FeatureRow, models: Iterable[ServingModel], made_at: datetime) -> Prediction:
    """Return what the models say to the row; where none has skill, the baseline leads.

    Args:
        row: The feature row.
        models: Those that serve the row's ticker.
        made_at: Now, aware.

    Raises:
        NoAnswerError: no model can answer this row.
        ContractError: the row lacks a feature of its set, or mixes simulated and real.
    """
    able = fitting(models, row.feature_set)
    answers = [_ask(model, row) for model in able]
    baseline = Baseline(probability_up=_prior(able))
    expected, probability = _lead(able, answers, classifiers=False), _lead(able, answers, classifiers=True)
    expected_return = baseline.expected_return if expected is None else expected
    probability_up = baseline.probability_up if probability is None else probability
    return Prediction(
        id=prediction_id((model.event.digest for model in able), row.row_hash),
        ticker=row.ticker,
        timestamp=row.timestamp,
        as_of=row.as_of,
        horizon_minutes=able[0].event.horizon_minutes,
        close=row.close,
        expected_return=expected_return,
        price_level=row.close * (1 + expected_return),
        direction=_direction(expected, probability, probability_up),
        probability_up=probability_up,
        leads="baseline" if expected is None and probability is None else "model",
        baseline=baseline,
        models=tuple(answers),
        feature_set=row.feature_set,
        row_hash=row.row_hash,
        revision=row.revision,
        simulated=row.simulated,
        replayed=row.replayed,
        made_at=made_at,
    )


def _ask(model: ServingModel, row: FeatureRow) -> ModelAnswer:
    event, bundle = model.event, model.bundle
    if event.simulated != row.simulated:
        worlds = f"a model of {_world(event.simulated)} data may not answer a row of {_world(row.simulated)} data"
        raise ContractError(f"{row.ticker}: {worlds}. Train this ticker again.")
    value = float(bundle.predict(values_vector(row, bundle.manifest.features).reshape(1, -1))[0])
    if model.is_classifier:
        value = min(1.0, max(0.0, value))
    return ModelAnswer(
        kind=event.kind,
        model_id=event.model_id,
        version=event.version,
        digest=event.digest,
        verdict=event.verdict,
        value=value,
    )


def _world(simulated: bool) -> str:
    return "simulated" if simulated else "real"


def _prior(models: Sequence[ServingModel]) -> float | None:
    """Return the share of rises in the training rows, a classifier's first."""
    found = sorted(models, key=lambda model: not model.is_classifier)
    return next((prior for model in found if (prior := model.bundle.manifest.prior_up) is not None), None)


def _lead(models: Sequence[ServingModel], answers: Sequence[ModelAnswer], *, classifiers: bool) -> float | None:
    """Return the answer of the model with skill of that task that gained most on its baseline, a share; else None."""
    skilled = [
        (_relative_gain(model), value.value)
        for model, value in zip(models, answers, strict=True)
        if model.event.verdict == SKILL and model.is_classifier == classifiers
    ]
    return max(skilled, key=lambda pair: pair[0])[1] if skilled else None


def _relative_gain(model: ServingModel) -> float:
    primary = model.bundle.manifest.evaluation.primary
    return (primary.gain or 0.0) / primary.baseline_loss if primary.baseline_loss else 0.0


def _direction(expected: float | None, probability: float | None, shown: float | None) -> Literal["up", "down"] | None:
    """Return where it goes: by the leading classifier, else the leading regression, else the baseline's majority."""
    by_regression = probability is None and expected is not None
    lean = expected if by_regression else (0.5 if shown is None else shown) - 0.5
    return None if not lean else "up" if lean > 0 else "down"
