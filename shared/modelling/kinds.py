"""The kinds of model: what each predicts, and how it is fitted. A new kind is one entry of KINDS."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.contracts.training import ModelKind
from shared.modelling import forests
from shared.modelling.boosting import BinnedRows, FittedBooster, Parameters, Rows
from shared.modelling.manifest import Task
from shared.modelling.metrics import Floats
from shared.modelling.trees import Trees

Implementation = Literal["lightgbm", "scikit-learn"]

# The strength that models are prepared for: leaves are shrunk as if true correlations were about this large.
EXPECTED_COEFFICIENT = 0.05


class Fitted(Protocol):
    """A fitted model in its library's own form."""

    def predict(self, rows: Rows) -> Floats:
        """Return expected returns, or probabilities of a rise; shape (n,)."""
        ...

    def trees(self) -> Trees:
        """Return the ensemble as arrays."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """What a model is fitted on.

    Attributes:
        rows: Feature rows, shape (n, features), NaN for null.
        binned: The same rows as bins.
        positions: The rows that have a target, ascending.
        target: Of those rows: returns, or 1.0 for a rise and 0.0 for a fall.
        overlap: Rows that one label's minutes overlap with (the horizon, less where rows are thinned), at least 1.
        seed: Of everything random.
        threads: To fit with.
    """

    rows: Rows
    binned: BinnedRows
    positions: NDArray[np.int64]
    target: Floats
    overlap: float
    seed: int
    threads: int

    @property
    def shrinkage(self) -> float:
        """Return the rows of noise that weigh as much as one of signal: overlap / EXPECTED_COEFFICIENT squared.

        The mean of n labels that overlap has variance s2 * overlap / n around an effect of variance s2 * IC squared;
        its best linear estimate keeps n / (n + overlap / IC squared) of it (empirical Bayes, Efron and Morris 1975).
        """
        return self.overlap / EXPECTED_COEFFICIENT**2

    @property
    def min_leaf(self) -> int:
        """Return the fewest rows of a leaf: a twentieth of them, at most five times the shrinkage."""
        return max(20, int(min(len(self.positions) / 20, 5 * self.shrinkage)))

    @property
    def most_leaves(self) -> int:
        """Return how many leaves there can be at all: LightGBM sets memory aside for as many as it is allowed."""
        return max(2, len(self.positions) // self.min_leaf)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of model.

    Attributes:
        name: As it is known to users.
        task: What it answers: returns, or the probability of a rise.
        implementation: The library that fits it.
        fit: Fits it.
        parameters: What the fit was told, for the manifest.
    """

    name: ModelKind
    task: Task
    implementation: str
    fit: Callable[[Sample], Fitted]
    parameters: Callable[[Sample], Parameters]


def _forest_parameters(sample: Sample) -> Parameters:
    return {
        "objective": "regression",  # on 0 and 1 this is the Gini criterion, and a leaf's mean the share of rises
        "boosting": "rf",
        "boost_from_average": False,
        "bagging_fraction": 0.632,  # the share of distinct rows in a bootstrap sample
        "bagging_freq": 1,
        "feature_fraction_bynode": forests.FEATURE_SHARE,  # by tree a lone signal would be in a third of the trees only
        "max_depth": forests.DEPTH,
        "num_leaves": min(2**forests.DEPTH, sample.most_leaves),
        "min_data_in_leaf": sample.min_leaf,
        "lambda_l2": 2 * sample.shrinkage,  # its trees are more alike; this gives scikit-learn's loss on real bars
    }


def _boosting_parameters(sample: Sample) -> Parameters:
    return {
        "objective": "regression",
        "boost_from_average": False,
        "learning_rate": 0.1,
        "max_depth": 3,
        "num_leaves": 8,
        "feature_fraction": 1 / 3,
        "min_data_in_leaf": sample.min_leaf,
        # Fifty rounds at 0.1 fit each effect up to five times over, and choose the luckiest split each time.
        "lambda_l2": 10 * sample.shrinkage,
    }


def _sklearn_parameters(sample: Sample) -> Parameters:
    return {
        "n_estimators": forests.TREES,
        "max_depth": forests.DEPTH,
        "max_features": forests.FEATURE_SHARE,
        "min_samples_leaf": sample.min_leaf,
        "shrinkage": sample.shrinkage,
    }


def _base(task: Task, sample: Sample) -> float:
    """Return what a model says that knows nothing: no return, or the sample's share of rises."""
    return float(sample.target.mean()) if task == "classification" else 0.0


def _lightgbm(name: ModelKind, task: Task, parameters: Callable[[Sample], Parameters]) -> Kind:
    def fit(sample: Sample) -> Fitted:
        base = _base(task, sample)
        booster = sample.binned.grow(sample.positions, sample.target - base, parameters(sample))
        return FittedBooster(booster, base, sample.threads)

    return Kind(name, task, "lightgbm", fit, parameters)


def _sklearn(name: ModelKind, task: Task) -> Kind:
    def fit(sample: Sample) -> Fitted:
        base = _base(task, sample)
        rows = sample.rows if len(sample.positions) == len(sample.rows) else sample.rows[sample.positions]
        forest = forests.fit_forest(
            rows, sample.target - base, min_leaf=sample.min_leaf, seed=sample.seed, threads=sample.threads
        )
        return forests.FittedForest(forest, base, sample.shrinkage)

    return Kind(name, task, forests.NAME, fit, _sklearn_parameters)


_BOOSTING = _lightgbm("regression_gb", "regression", _boosting_parameters)

KINDS: Mapping[Implementation, Mapping[ModelKind, Kind]] = {
    "lightgbm": {
        "regression_rf": _lightgbm("regression_rf", "regression", _forest_parameters),
        "classification_rf": _lightgbm("classification_rf", "classification", _forest_parameters),
        "regression_gb": _BOOSTING,
    },
    "scikit-learn": {
        "regression_rf": _sklearn("regression_rf", "regression"),
        "classification_rf": _sklearn("classification_rf", "classification"),
        "regression_gb": _BOOSTING,
    },
}
"""Kinds by the library that grows forests; boosting is LightGBM's in both."""
