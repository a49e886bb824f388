"""Trees as arrays: the same answers as the library's, walked by a plain loop; and their file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.modelling import forests
from shared.modelling.boosting import BinnedRows
from shared.modelling.kinds import KINDS, Sample
from shared.modelling.onnx import to_onnx
from shared.modelling.session import Graph
from shared.modelling.trees import LEAF, Trees, float32_at_most

FEATURES = 6
CASES = [("lightgbm", "regression_rf"), ("lightgbm", "classification_rf"), ("lightgbm", "regression_gb")]
CASES += [("scikit-learn", "regression_rf"), ("scikit-learn", "classification_rf")]


def sample(task: str, nulls: float, seed: int = 1) -> Sample:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((4000, FEATURES)).astype(np.float32)
    rows[:, 1] = np.round(rows[:, 1], 1)  # values on a grid, where a threshold may fall between neighbours
    rows[:, 2] = np.float32(1.0) + random.integers(0, 4, 4000).astype(np.float32) * np.float32(2**-23)
    label = rows[:, 0] * 0.5 + (rows[:, 2] > 1) + random.standard_normal(4000)
    rows[random.random(rows.shape) < nulls] = np.nan
    rows[:, 5] = random.standard_normal(4000)  # a column without any null
    target = (label > 0.5).astype(float) if task == "classification" else label.astype(float)
    return Sample(rows, BinnedRows(rows, 1, 1), np.arange(4000), target, 0.01, seed, 1)


def walked(trees: Trees, row: np.ndarray) -> float:
    """What the arrays' documentation says, a node at a time."""
    row = np.where(np.isnan(row), trees.null_value, row) if np.isfinite(trees.null_value) else row
    total = float(trees.base)
    for root in trees.starts[:-1]:
        node = int(root)
        while trees.feature[node] != LEAF:
            value = row[trees.feature[node]]
            left = trees.null_left[node] if np.isnan(value) else value <= trees.threshold[node]
            node = int(trees.left[node] if left else trees.right[node])
        total += trees.value[node]
    return total


def served_rows(rows: np.ndarray) -> np.ndarray:
    """Rows as they may come: seen ones, all null, null where training had none, and far outside."""
    odd = rows[:40].copy()
    odd[:10, 5] = np.nan
    odd[10] = np.nan
    odd[11], odd[12], odd[13] = 1e30, -1e30, 0.0
    return np.concatenate([rows, odd])


@pytest.mark.parametrize("nulls", [0.0, 0.1])
@pytest.mark.parametrize(("implementation", "name"), CASES)
def test_graph_and_arrays_answer_as_the_library(implementation, name, nulls):
    kind = KINDS[implementation][name]
    fitted_to = sample(kind.task, nulls)
    fitted = kind.fit(fitted_to)
    trees, rows = fitted.trees(), served_rows(fitted_to.rows)
    if implementation == "scikit-learn":
        rows = rows[np.nan_to_num(rows).min(axis=1) > -1e20]
    answers = fitted.predict(rows)
    served = Graph(to_onnx(trees, FEATURES)).predict(rows)
    assert np.std(answers) > 0.01
    assert np.abs(served - answers).max() <= 1e-6
    assert np.abs([walked(trees, row) for row in rows[-60:]] - answers[-60:]).max() <= 1e-12
    assert trees.count == 50
    if kind.task == "classification":
        assert ((answers >= 0) & (answers <= 1)).all()


@pytest.mark.parametrize(("implementation", "name"), CASES)
def test_fit_twice_gives_the_same_bytes(implementation, name):
    kind = KINDS[implementation][name]
    files = {kind.fit(sample(kind.task, 0.1)).trees().to_npz() for _ in range(2)}
    assert len(files) == 1


def test_trees_file_gives_the_same_arrays_back():
    kind = KINDS["lightgbm"]["regression_gb"]
    trees = kind.fit(sample("regression", 0.1)).trees()
    again = Trees.from_npz(trees.to_npz())
    for name in Trees.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again, name), getattr(trees, name))


def test_covers_add_up():
    trees = KINDS["lightgbm"]["regression_gb"].fit(sample("regression", 0.0)).trees()
    inner = trees.feature != LEAF
    np.testing.assert_allclose(trees.cover[inner], trees.cover[trees.left[inner]] + trees.cover[trees.right[inner]])
    assert (trees.cover[trees.starts[:-1]] == 4000).all()


def test_forest_without_shrinkage_answers_as_scikit_learn():
    """The trees that scikit-learn-intelex hands out are those that it answers by."""
    rows = sample("regression", 0.1).rows
    target = np.nan_to_num(rows[:, 0]) + np.random.default_rng(2).standard_normal(4000)
    forest = forests.fit_forest(rows, target, min_leaf=50, seed=1, threads=1)
    ours = forests.FittedForest(forest, 0.0, 0.0).predict(rows)
    np.testing.assert_allclose(ours, forest.predict(forests.without_nulls(rows)), atol=1e-6)


def test_directions_as_a_regression_are_a_classifiers_trees():
    """Variance of 0 and 1 is half the Gini impurity: equal seeds grow equal forests."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    random = np.random.default_rng(4)
    rows = random.standard_normal((2000, 4))
    up = (rows[:, 0] + random.standard_normal(2000) > 0).astype(int)
    same = {"n_estimators": 5, "max_depth": 5, "min_samples_leaf": 50, "random_state": 3, "max_features": 4}
    shares = RandomForestClassifier(**same).fit(rows, up).predict_proba(rows)[:, 1]
    np.testing.assert_allclose(RandomForestRegressor(**same).fit(rows, up).predict(rows), shares, atol=1e-12)


@given(st.floats(-1e30, 1e30), st.floats(-(2.0**99), 2.0**99, width=32))
def test_float32_at_most_keeps_every_comparison(threshold, value):
    bound = float32_at_most(np.array([threshold]))[0]
    assert (np.float32(value) <= bound) == (float(np.float32(value)) <= threshold)
