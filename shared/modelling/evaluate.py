"""Evaluation out of sample: fit on each fold's past, answer its test sessions, score against the naive answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.modelling.baselines import direction_baselines, regression_baselines, share_of_rises
from shared.modelling.boosting import BinnedRows, Rows
from shared.modelling.data import LabelledRows
from shared.modelling.evaluation import Evaluation, FoldReport, Primary, Scores
from shared.modelling.folds import Fold
from shared.modelling.kinds import Kind, Sample
from shared.modelling.manifest import Task
from shared.modelling.metrics import (
    Floats,
    coefficients,
    direction_scores,
    executable_scores,
    log_losses,
    probability_scores,
    return_scores,
    squared_errors,
)
from shared.modelling.verdict import MIN_TEST_SESSIONS, gain_by_sessions

# A fold is fitted on at most so many rows, evenly thinned: labels overlap, so thinning loses little, and a long history
# is evaluated in bounded time. Every row is tested on; the final fit uses them all.
MAX_FOLD_ROWS = 100_000
MIN_ROWS = 100  # fewer labelled rows make no model


@dataclass(frozen=True, slots=True)
class FoldRows:
    """A fold with its thinned training rows, binned once for all kinds.

    Attributes:
        fold: The rows to fit and test on.
        train: Thinned training rows, as places in the labelled rows.
        rows: Their features.
        binned: Their bins.
        overlap: Thinned rows that one label overlaps with.
    """

    fold: Fold
    train: NDArray[np.int64]
    rows: Rows
    binned: BinnedRows
    overlap: float


def usable(task: Task, label: Floats) -> NDArray[np.bool_]:
    """Return the rows with a target: all, or those where the price moved."""
    return np.ones(len(label), dtype=bool) if task == "regression" else label != 0


def target(task: Task, label: Floats) -> Floats:
    """Return what is fitted to: the return, or 1.0 for a rise and 0.0 for a fall."""
    return label if task == "regression" else (label > 0).astype(np.float64)


def can_fit(task: Task, wanted: Floats) -> bool:
    """Return whether a kind can be fitted to these targets: enough of them, and of both directions."""
    return len(wanted) >= MIN_ROWS and (task == "regression" or 0.0 < float(wanted.mean()) < 1.0)


def evaluate(
    data: LabelledRows, kind: Kind, folds: Sequence[FoldRows], seed: int, threads: int, tell: Callable[[float], None]
) -> Evaluation:
    """Evaluate a kind; `in_sample` stays empty, the final fit fills it.

    Args:
        data: The labelled rows.
        kind: What to fit.
        folds: From `expanding_folds`, thinned and binned.
        seed: Of the fits.
        threads: To fit with.
        tell: Called with the share that is done.
    """
    answer, naive = np.full(len(data.label), np.nan), np.full(len(data.label), np.nan)
    reports, rises = [], [np.empty(0)]
    for number, fold in enumerate(folds):
        sample = _sample(data, kind, fold, seed, threads)
        test = fold.fold.test[usable(kind.task, data.label[fold.fold.test])]
        if len(test) and can_fit(kind.task, sample.target):
            first, end = int(test[0]), int(test[-1]) + 1
            answer[test] = kind.fit(sample).predict(data.rows[first:end])[test - first]  # no copy of the rows
            naive[test] = sample.target.mean()
            losses, baseline = _gains(data, kind.task, test, answer, naive)
            reports.append(_report(data, fold, len(sample.positions), test, float((baseline - losses).mean())))
            rises.append(np.full(len(test), share_of_rises(data.label[fold.train])))
        tell((number + 1) / len(folds))
    tested = np.flatnonzero(np.isfinite(answer))
    metrics, baselines = _account(data, kind.task, tested, answer[tested], naive[tested], np.concatenate(rises))
    position = answer[tested] - (naive[tested] if kind.task == "classification" else 0.0)
    return Evaluation(
        primary=_primary(data, kind.task, tested, answer, naive),
        metrics=metrics,
        in_sample={},
        baselines=baselines,
        executable=executable_scores(data.executable[tested], position),
        folds=tuple(reports),
    )


def _sample(data: LabelledRows, kind: Kind, fold: FoldRows, seed: int, threads: int) -> Sample:
    label = data.label[fold.train]
    positions = np.flatnonzero(usable(kind.task, label))
    return Sample(fold.rows, fold.binned, positions, target(kind.task, label[positions]), fold.overlap, seed, threads)


def _losses(data: LabelledRows, task: Task, places: NDArray[np.int64], answer: Floats) -> Floats:
    """Return each row's primary loss."""
    label = data.label[places]
    return squared_errors(label, answer) if task == "regression" else log_losses(label > 0, answer)


def _gains(
    data: LabelledRows, task: Task, places: NDArray[np.int64], answer: Floats, naive: Floats
) -> tuple[Floats, Floats]:
    """Return each row's loss of the model and of the baseline: zero return, or the training rows' share of rises."""
    baseline = np.zeros(len(places)) if task == "regression" else naive[places]
    return _losses(data, task, places, answer[places]), _losses(data, task, places, baseline)


def _primary(data: LabelledRows, task: Task, tested: NDArray[np.int64], answer: Floats, naive: Floats) -> Primary:
    regression = task == "regression"
    names: tuple[Literal["mse", "log_loss"], Literal["zero", "training_prior"]]
    names = ("mse", "zero") if regression else ("log_loss", "training_prior")
    sessions = len(np.unique(data.sessions[tested]))
    primary = Primary(loss_name=names[0], baseline_name=names[1], rows=len(tested), sessions=sessions)
    losses, baseline = _gains(data, task, tested, answer, naive)
    gain = gain_by_sessions(baseline - losses, data.sessions[tested])
    if gain is None:
        return primary
    enough = sessions >= MIN_TEST_SESSIONS
    return primary.model_copy(
        update={
            "loss": float(losses.mean()),
            "baseline_loss": float(baseline.mean()),
            "gain": gain.mean,
            "gain_low": gain.low,
            "gain_high": gain.high,
            "p_skill": gain.p_skill if enough else None,
            "p_worse": gain.p_worse if enough else None,
        }
    )


def _account(
    data: LabelledRows, task: Task, places: NDArray[np.int64], answer: Floats, mean: Floats, prior: Floats
) -> tuple[Scores, dict[str, Scores]]:
    """Score the model and the naive answers alike: returns on all rows, directions on those that moved."""
    label, last = data.label[places], data.last[places]
    if task == "classification":
        metrics = probability_scores(label > 0, answer) | coefficients(label, answer)
        return metrics, direction_baselines(label > 0, last, prior)
    moved = label != 0
    directions = direction_scores(label[moved] > 0, answer[moved] > 0, answer[moved])
    return return_scores(label, answer) | directions, regression_baselines(label, last, mean, prior)


def in_sample_scores(task: Task, label: Floats, answer: Floats) -> Scores:
    """Score a fit on the rows that it was fitted on: beside the rest, never instead of it."""
    if task == "classification":
        return probability_scores(label > 0, answer)
    return return_scores(label, answer)


def _report(data: LabelledRows, fold: FoldRows, fitted: int, test: NDArray[np.int64], gain: float) -> FoldReport:
    return FoldReport(
        fitted_rows=fitted,
        purged=fold.fold.purged,
        test_rows=len(test),
        test_sessions=len(np.unique(data.sessions[test])),
        test_from=data.instant(int(test[0])),
        test_to=data.instant(int(test[-1])),
        gain=gain,
    )
