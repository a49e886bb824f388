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
    """A forest with its leaves shrunk towards `base`, in scikit-learn's own trees.

    Args:
        forest: Fitted to the target less `base`.
        base: Answer of a leaf that knows nothing.
        shrinkage: A leaf of n rows keeps n / (n + shrinkage) of what it says beyond `base`.
    """

    def __init__(self, forest: Any, base: float, shrinkage: float) -> None:
        self._trees = [estimator.tree_ for estimator in forest.estimators_]
        self._base = base
        self._shrinkage = shrinkage

    def predict(self, rows: Rows) -> Floats:
        """Return the answers, each tree walked by scikit-learn's own code."""
        mapped, total = without_nulls(rows), np.zeros(len(rows))
        for tree in self._trees:
            total += self._beyond(tree)[tree.apply(mapped)]
        return self._base + total / len(self._trees)

    def trees(self) -> Trees:
        """Return the ensemble as arrays."""
        return join([self._tree(tree) for tree in self._trees], self._base, float(NULL_VALUE))

    def _beyond(self, tree: Any) -> Floats:
        """Return what each node of a tree says beyond the base, shrunk by its rows."""
        rows = np.asarray(tree.weighted_n_node_samples, dtype=np.float64)
        return np.asarray(tree.value[:, 0, 0] * rows / (rows + self._shrinkage), dtype=np.float64)

    def _tree(self, tree: Any) -> Tree:
        leaf: NDArray[np.bool_] = tree.children_left < 0
        return Tree(
            feature=np.where(leaf, LEAF, tree.feature).astype(np.int32),
            threshold=float32_at_most(np.where(leaf, 0.0, tree.threshold)),
            left=np.where(leaf, 0, tree.children_left).astype(np.int32),
            right=np.where(leaf, 0, tree.children_right).astype(np.int32),
            null_left=np.zeros(len(leaf), dtype=bool),
            value=np.where(leaf, self._beyond(tree), 0.0) / len(self._trees),
            cover=np.asarray(tree.weighted_n_node_samples, dtype=np.float64),
        )


def fit_forest(rows: Rows, target: Floats, *, min_leaf: int, seed: int, threads: int) -> Any:
    """Return a fitted forest of TREES trees.

    Directions are fitted as a regression on 0 and 1: the variance of such a target is half its Gini impurity, so the
    trees are a classifier's, and a leaf's mean is the share of rises. scikit-learn-intelex's classifier itself gives
    trees whose leaves hold only the majority, which its own probabilities contradict.
    """
    forest = ensemble.RandomForestRegressor(
        n_estimators=TREES,
        max_depth=DEPTH,
        max_features=FEATURE_SHARE,
        min_samples_leaf=min_leaf,
        random_state=seed,
        n_jobs=threads,
    )
    return forest.fit(without_nulls(rows), target)
