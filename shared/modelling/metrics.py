"""Scores of answers against what came: of returns, and of the direction with its probability."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from shared.modelling.evaluation import Scores

Floats = NDArray[np.float64]
_EDGE = 1e-6  # probabilities are held this far from 0 and 1 in the log-loss

REGRESSION = ("mse", "rmse", "mae", "r2", "information_coefficient", "rank_information_coefficient")
CLASSIFICATION = ("accuracy", "precision", "recall", "f1", "log_loss", "auc", "brier")


def return_scores(label: Floats, answer: Floats) -> Scores:
    """Score predicted returns.

    `r2` is 1 - MSE / variance of the label on these rows; `information_coefficient` is Pearson's correlation of answer
    and label, `rank_information_coefficient` Spearman's. A score that is not defined is null.
    """
    if not len(label):
        return dict.fromkeys(REGRESSION)
    error = answer - label
    mse = float(np.mean(error**2))
    variance = float(np.var(label))
    return {
        "mse": mse,
        "rmse": float(np.sqrt(mse)),
        "mae": float(np.mean(np.abs(error))),
        "r2": 1.0 - mse / variance if variance > 0 else None,
        **coefficients(label, answer),
    }


def coefficients(label: Floats, answer: Floats) -> Scores:
    """Return the correlation of answers with returns, Pearson's and Spearman's."""
    return {
        "information_coefficient": _correlation(answer, label),
        "rank_information_coefficient": _correlation(stats.rankdata(answer), stats.rankdata(label)),
    }


def direction_scores(up: NDArray[np.bool_], says_up: NDArray[np.bool_], order: Floats | None = None) -> Scores:
    """Score directions on rows where the price moved; `order` is what answers are ranked by for the AUC."""
    scores: Scores = dict.fromkeys(CLASSIFICATION)
    if not len(up):
        return scores
    scores["accuracy"] = float(np.mean(up == says_up))
    hits, said, rises = int(np.sum(up & says_up)), int(np.sum(says_up)), int(np.sum(up))
    scores["precision"] = hits / said if said else None
    scores["recall"] = hits / rises if rises else None
    scores["f1"] = 2 * hits / (said + rises) if said + rises else None
    if order is not None and 0 < rises < len(up):
        # The Mann-Whitney statistic: the share of pairs of a rise and a fall that are in order, ties counted half.
        ranks = float(np.sum(stats.rankdata(order)[up]))
        scores["auc"] = (ranks - rises * (rises + 1) / 2) / (rises * (len(up) - rises))
    return scores


def probability_scores(up: NDArray[np.bool_], probability: Floats) -> Scores:
    """Score probabilities of a rise on rows where the price moved; a rise is said above one half."""
    scores = direction_scores(up, probability > 0.5, probability)
    if len(up):
        scores["log_loss"] = float(np.mean(log_losses(up, probability)))
        scores["brier"] = float(np.mean((probability - up) ** 2))
    return scores


def squared_errors(label: Floats, answer: Floats) -> Floats:
    """Return each row's squared error."""
    return np.asarray((label - answer) ** 2, dtype=np.float64)


def log_losses(up: NDArray[np.bool_], probability: Floats) -> Floats:
    """Return each row's negative log-likelihood, in nats."""
    held = np.clip(probability, _EDGE, 1.0 - _EDGE)
    return -np.log(np.where(up, held, 1.0 - held))


def executable_scores(returns: Floats, position: Floats) -> Scores:
    """Score answers on executable returns (NaN where there was none to have).

    `mean_return` is the mean return of holding one unit in the answer's direction, before costs, as a fraction.
    """
    there = np.isfinite(returns)
    held, got = np.sign(position[there]), returns[there]
    return {
        "rows": float(there.sum()),
        "mean_return": float(np.mean(held * got)) if len(got) else None,
        "information_coefficient": _correlation(position[there], got),
    }


def _correlation(first: Floats, second: Floats) -> float | None:
    """Return Pearson's correlation, null where one side does not vary beyond rounding."""
    if len(first) < 2 or not all(_varies(side) for side in (first, second)):
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _varies(values: Floats) -> bool:
    return float(np.std(values)) > 1e-12 * max(float(np.max(np.abs(values))), 1e-300)
