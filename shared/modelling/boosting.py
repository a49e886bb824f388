"""LightGBM: gradient boosting, its forest mode, and the binned rows that they share; nulls are kept as nulls."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from shared.modelling.metrics import Floats
from shared.modelling.trees import LEAF, Tree, Trees, float32_at_most, join

ROUNDS = 50
Rows = NDArray[np.float32]
Parameters = Mapping[str, float | int | str | bool]

# How rows are binned. 63 bins lose nothing on returns this noisy and halve the time; pre-filtering would tie the bins
# to one kind's smallest leaf.
_BINNING: Parameters = {
    "max_bin": 63,
    "bin_construct_sample_cnt": 50_000,
    "feature_pre_filter": False,
    "verbose": -1,
    "force_col_wise": True,
    "deterministic": True,
}


class BinnedRows:
    """Rows as bins of each feature, made when they are first asked for and shared by every model fitted on them.

    Several threads may fit at the same time.

    Args:
        rows: Shape (n, features), NaN for null.
        seed: Of the sample that bins are found on.
        threads: To bin with.
    """

    def __init__(self, rows: Rows, seed: int, threads: int) -> None:
        self.parameters: Parameters = {**_BINNING, "seed": seed, "num_threads": threads}
        self._rows = rows
        self._dataset: Any = None
        self._is_lent = False
        self._lock = Lock()

    def grow(self, positions: NDArray[np.int64], target: Floats, parameters: Parameters) -> Any:
        """Return a LightGBM booster of ROUNDS trees.

        Args:
            positions: Rows to fit on, ascending.
            target: Of those rows.
            parameters: LightGBM's.
        """
        with self._lent(positions, target) as dataset:
            # Otherwise LightGBM writes the booster as text and reads it again, to let go of the rows.
            return lightgbm.train({**self.parameters, **parameters}, dataset, ROUNDS, keep_training_booster=True)

    @contextmanager
    def _lent(self, positions: NDArray[np.int64], target: Floats) -> Iterator[Any]:
        """Lend the bins of these rows with a target; a copy where it is not all rows, or another fit has them."""
        with self._lock:
            if self._dataset is None:
                nothing = np.zeros(len(self._rows))
                self._dataset = lightgbm.Dataset(self._rows, nothing, params=dict(self.parameters)).construct()
            copied = self._is_lent or len(positions) != len(self._rows)
            dataset = self._dataset.subset(positions.tolist()).construct() if copied else self._dataset
            dataset.set_label(target)
            self._is_lent = self._is_lent or not copied
        try:
            yield dataset
        finally:
            if not copied:
                self._is_lent = False


class FittedBooster:
    """A LightGBM model as it came from the fit.

    Args:
        booster: LightGBM's booster, fitted to the target less `base`.
        base: What is added to its answers.
        threads: To answer with.
    """

    def __init__(self, booster: Any, base: float, threads: int) -> None:
        self._booster = booster
        self._base = base
        self._threads = threads

    def predict(self, rows: Rows) -> Floats:
        """Return the answers, by LightGBM's own code."""
        if not len(rows):
            return np.empty(0)
        return np.asarray(self._booster.predict(rows, num_threads=self._threads), dtype=np.float64) + self._base

    def trees(self) -> Trees:
        """Return the ensemble as arrays."""
        sections = self._booster.model_to_string(importance_type="gain").split("\nTree=")
        averaged = "\naverage_output\n" in sections[0]
        found = [_fields(section) for section in sections[1:]]
        return join([_tree(fields, 1.0 / len(found) if averaged else 1.0) for fields in found], self._base)


def _fields(section: str) -> dict[str, str]:
    """Return the `name=value` lines of one tree in LightGBM's model file."""
    lines = section.split("\n\n", 1)[0].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _tree(fields: Mapping[str, str], weight: float) -> Tree:
    """Return a tree of LightGBM's model file: inner nodes first, then leaves (it numbers leaf k as child -k - 1)."""

    def array(name: str) -> Floats:
        return np.array(fields.get(name, "").split(), dtype=np.float64)

    leaves = int(fields["num_leaves"])
    inner = leaves - 1
    threshold, decision = array("threshold"), array("decision_type").astype(np.int64)
    missing = (decision >> 2) & 3  # 0: no null was seen in training, then LightGBM takes one as 0; 2: null
    null_left = np.where(missing == 2, (decision & 2) > 0, threshold >= 0)
    nothing, leaf = np.zeros(leaves), np.full(leaves, LEAF)

    def child(name: str) -> NDArray[np.int32]:
        numbers = array(name).astype(np.int64)
        return np.concatenate([np.where(numbers < 0, inner - numbers - 1, numbers), nothing]).astype(np.int32)

    return Tree(
        feature=np.concatenate([array("split_feature"), leaf]).astype(np.int32),
        threshold=float32_at_most(np.concatenate([threshold, nothing])),
        left=child("left_child"),
        right=child("right_child"),
        null_left=np.concatenate([null_left, nothing > 0]),
        value=np.concatenate([np.zeros(inner), array("leaf_value") * weight]),
        cover=np.concatenate([array("internal_count"), array("leaf_count")]),
    )
