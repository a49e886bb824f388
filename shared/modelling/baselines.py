"""The naive answers that every model stands beside, on the same rows."""

import numpy as np
from numpy.typing import NDArray

from shared.modelling.evaluation import Scores
from shared.modelling.metrics import Floats, direction_scores, probability_scores, return_scores


def return_baselines(label: Floats, last: Floats, training_mean: Floats) -> dict[str, Scores]:
    """Score three naive returns: none, the last one again, and the mean of the training rows.

    Args:
        label: What came.
        last: The newest label known at each row, NaN where there was none (taken as no move).
        training_mean: Of the rows that each row's fold was fitted on.
    """
    return {
        "zero": return_scores(label, np.zeros_like(label)),
        "last": return_scores(label, np.nan_to_num(last)),
        "training_mean": return_scores(label, training_mean),
    }


def direction_baselines(up: NDArray[np.bool_], last: Floats, training_prior: Floats) -> dict[str, Scores]:
    """Score three naive directions: the training rows' majority, their share of rises, and the last move again."""
    return {
        "majority_class": direction_scores(up, training_prior > 0.5),
        "training_prior": probability_scores(up, training_prior),
        "last": direction_scores(up, np.nan_to_num(last) > 0),
    }


def regression_baselines(label: Floats, last: Floats, mean: Floats, prior: Floats) -> dict[str, Scores]:
    """Score naive returns on all rows, and naive directions on those that moved; `last` is scored as both.

    Args:
        label: What came.
        last: The newest label known at each row, NaN where there was none.
        mean: Of the returns that each row's fold was fitted on.
        prior: Their share of rises.
    """
    moved = label != 0
    returns = return_baselines(label, last, mean)
    directions = direction_baselines(label[moved] > 0, last[moved], prior[moved])
    return {name: returns.get(name, {}) | directions.get(name, {}) for name in (*returns, *directions)}


def share_of_rises(label: Floats) -> float:
    """Return the share of rises among the rows that moved; one half where none did."""
    moved = label[label != 0]
    return float(np.mean(moved > 0)) if len(moved) else 0.5
