"""Trees as an ONNX graph."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from shared.modelling.trees import LEAF, Trees

OPSET = 17
TREE_OPSET = 3
IR_VERSION = 8
INPUT, OUTPUT = "rows", "answers"


def to_onnx(trees: Trees, features: int) -> bytes:
    """Return the graph: `rows` float32 (n, features), NaN for null, to `answers` float64 (n, 1).

    Where the trees were grown without nulls, the first nodes turn nulls into the value that training used. Leaves are
    added up in 32 bits, the base (half, for a probability) in 64, so that rounding is small beside what leaves say.
    """
    nodes, constants, source = [], [_constant("base", trees.base.reshape(1))], INPUT
    if np.isfinite(trees.null_value):
        constants.append(_constant("null_value", trees.null_value.astype(np.float32).reshape(1)))
        nodes = [
            helper.make_node("IsNaN", [INPUT], ["is_null"]),
            helper.make_node("Where", ["is_null", "null_value", INPUT], ["filled"]),
        ]
        source = "filled"
    nodes += [
        _ensemble(trees, source),
        helper.make_node("Cast", ["leaves"], ["wide"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["wide", "base"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "trees",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, [None, 1])],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREE_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="tickerstream")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _constant(name: str, values: NDArray[np.float32] | NDArray[np.float64]) -> TensorProto:
    return onnx.numpy_helper.from_array(values, name)


def _ensemble(trees: Trees, source: str) -> onnx.NodeProto:
    sizes = np.diff(trees.starts)
    tree = np.repeat(np.arange(trees.count), sizes)
    first = np.repeat(trees.starts[:-1], sizes)
    leaf = trees.feature == LEAF
    places = np.arange(len(leaf)) - first
    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        ["leaves"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        nodes_treeids=tree.tolist(),
        nodes_nodeids=places.tolist(),
        nodes_featureids=np.where(leaf, 0, trees.feature).tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_values=np.where(leaf, np.float32(0), trees.threshold).tolist(),
        nodes_truenodeids=np.where(leaf, 0, trees.left - first).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, trees.right - first).tolist(),
        nodes_missing_value_tracks_true=(trees.null_left & ~leaf).astype(int).tolist(),
        target_treeids=tree[leaf].tolist(),
        target_nodeids=places[leaf].tolist(),
        target_ids=np.zeros(int(leaf.sum()), dtype=int).tolist(),
        target_weights=trees.value[leaf].tolist(),
    )
