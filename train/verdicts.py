"""Verdicts over the models of a run, from the metrics that the registry keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.contracts.training import Verdict
from shared.modelling.evaluation import Primary
from shared.modelling.verdict import judge


def judge_metrics(metrics: Sequence[Mapping[str, Any]], models_in_run: int) -> list[Verdict]:
    """Return the verdict of each model; those of the run that have no metrics yet count as without any skill.

    Args:
        metrics: Of the models that are evaluated: `Evaluation` as JSON.
        models_in_run: How many the run has.
    """
    return judge([Primary.model_validate(one["primary"]) for one in metrics], models_in_run)
