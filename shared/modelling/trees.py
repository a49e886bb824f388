"""An ensemble of trees as plain arrays: what the ONNX graph and trees.npz are made from, whatever library grew it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

LEAF = -1


@dataclass(frozen=True, slots=True)
class Trees:
    """Nodes of all trees, tree after tree, each tree's root first; the answer is base + the sum of its leaves' values.

    A row goes left when its value is <= threshold (32-bit floats), or is null and `null_left` holds.

    Attributes:
        base: What the answer is without any tree; shape (), as are the scalars below.
        null_value: What a null becomes before the trees see it; NaN: it stays null.
        starts: First node of each tree, and the number of nodes at the end; shape (trees + 1,).
        feature: Column that a node splits on, LEAF in leaves; shape (nodes,), as are the following.
        threshold: Upper bound of the left side.
        left: Node that the left side goes to.
        right: Node that the right side goes to.
        null_left: Where nulls go.
        value: What a leaf adds to the answer; 0 in inner nodes.
        cover: Training rows that came through a node.
    """

    base: NDArray[np.float64]
    null_value: NDArray[np.float64]
    starts: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    null_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Return the number of trees."""
        return len(self.starts) - 1

    def to_npz(self) -> bytes:
        """Return the arrays as an uncompressed npz file; equal trees give equal bytes."""
        sink = io.BytesIO()
        np.savez(sink, allow_pickle=False, **{f.name: getattr(self, f.name) for f in fields(self)})
        return sink.getvalue()

    @classmethod
    def from_npz(cls, data: bytes) -> "Trees":
        """Return the trees in a file made by `to_npz`; nothing is unpickled.

        Raises:
            ValueError: it is no such file.
            KeyError: an array is missing.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(**{f.name: arrays[f.name] for f in fields(cls)})


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree: the arrays of `Trees`, node numbers counted from its own root."""

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    null_left: NDArray[np.bool_]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]


def join(trees: Sequence[Tree], base: float, null_value: float = np.nan) -> Trees:
    """Put trees together into one ensemble."""
    starts = np.cumsum([0, *(len(tree.feature) for tree in trees)], dtype=np.int64)
    names = ("feature", "threshold", "null_left", "value", "cover")
    arrays = {name: np.concatenate([getattr(tree, name) for tree in trees]) for name in names}
    for side in ("left", "right"):
        arrays[side] = np.concatenate(
            [getattr(tree, side) + np.int32(start) for tree, start in zip(trees, starts, strict=False)]
        )
    return Trees(base=np.array(base), null_value=np.array(null_value), starts=starts, **arrays)


def float32_at_most(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest 32-bit floats <= values: x <= threshold then means the same for every 32-bit x."""
    near = values.astype(np.float32)
    above = near.astype(np.float64) > values
    near[above] = np.nextafter(near[above], np.float32(-np.inf))
    return near
