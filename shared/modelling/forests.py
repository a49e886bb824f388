"""scikit-learn's random forest, accelerated by scikit-learn-intelex where that is installed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.modelling.boosting import Rows
from shared.modelling.metrics import Floats
from shared.modelling.trees import LEAF, Tree, Trees, float32_at_most, join

try:
    from sklearnex import ensemble

    NAME = "scikit-learn-intelex"
except ImportError:
    from sklearn import ensemble

    NAME = "scikit-learn"

TREES = 50
DEPTH = 10
FEATURE_SHARE = 1 / 3
# What a null becomes: far below any scale-free feature, so that one split parts nulls from values. A forest that is
# fitted on nulls themselves converts wrongly, and is not accelerated.
NULL_VALUE = np.float32(-1e9)


def without_nulls(rows: Rows) -> Rows:
    """Return the rows with NULL_VALUE for NaN."""
    return np.where(np.isnan(rows), NULL_VALUE, rows)


class FittedForest:
    """A forest with its leaves shrunk towards `base`, in scikit-learn's own classes.

    Args:
        forest: Fitted RandomForestRegressor (target less base) or RandomForestClassifier (a rise or not).
        base: Answer of a leaf that knows nothing.
        shrinkage: A leaf of n rows keeps n / (n + shrinkage) of what it says beyond `base`.
    """

    def __init__(self, forest: Any, base: float, shrinkage: float) -> None:
        self._estimators = list(forest.estimators_)
        self._classifies = hasattr(forest, "classes_")
        self._base = base
        self._shrinkage = shrinkage

    def predict(self, rows: Rows) -> Floats:
        """Return the answers, each tree walked by scikit-learn's own code."""
        mapped, total = without_nulls(rows), np.zeros(len(rows))
        for estimator in self._estimators:
            total += self._contributions(estimator)[estimator.tree_.apply(mapped)]
        return self._base + total / len(self._estimators)

    def trees(self) -> Trees:
        """Return the ensemble as arrays."""
        return join([self._tree(e) for e in self._estimators], self._base, float(NULL_VALUE))

    def _contributions(self, estimator: Any) -> Floats:
        """Return what each node of a tree says beyond the base, shrunk by its rows."""
        tree = estimator.tree_
        said = np.asarray(tree.value[:, 0, :], dtype=np.float64)
        beyond = said[:, -1] / said.sum(axis=1) - self._base if self._classifies else said[:, 0]
        rows = np.asarray(tree.weighted_n_node_samples, dtype=np.float64)
        return np.asarray(beyond * rows / (rows + self._shrinkage), dtype=np.float64)

    def _tree(self, estimator: Any) -> Tree:
        tree = estimator.tree_
        leaf: NDArray[np.bool_] = tree.children_left < 0
        return Tree(
            feature=np.where(leaf, LEAF, tree.feature).astype(np.int32),
            threshold=float32_at_most(np.where(leaf, 0.0, tree.threshold)),
            left=np.where(leaf, 0, tree.children_left).astype(np.int32),
            right=np.where(leaf, 0, tree.children_right).astype(np.int32),
            null_left=np.zeros(len(leaf), dtype=bool),
            value=np.where(leaf, self._contributions(estimator), 0.0) / len(self._estimators),
            cover=np.asarray(tree.weighted_n_node_samples, dtype=np.float64),
        )


def fit_forest(rows: Rows, target: Floats, *, classifies: bool, min_leaf: int, seed: int, threads: int) -> Any:
    """Return a fitted forest of TREES trees; `target` is 0 or 1 where it classifies."""
    kind = ensemble.RandomForestClassifier if classifies else ensemble.RandomForestRegressor
    forest = kind(
        n_estimators=TREES,
        max_depth=DEPTH,
        max_features=FEATURE_SHARE,
        min_samples_leaf=min_leaf,
        random_state=seed,
        n_jobs=threads,
    )
    return forest.fit(without_nulls(rows), target.astype(np.int64) if classifies else target)
