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
