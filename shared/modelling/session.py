"""An ONNX graph that answers: one thread, rows in bounded pieces."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_PIECE = 65_536


class Graph:
    """A graph from `onnx.to_onnx`, ready to answer; safe to call from several threads.

    Args:
        data: The file's bytes.
    """

    def __init__(self, data: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        (source,) = self._session.get_inputs()
        self._input: str = source.name
        self.features: int = source.shape[1]

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the answers, shape (n,), for rows of shape (n, features), NaN for null."""
        answers = np.empty(len(rows))
        for first in range(0, len(rows), _PIECE):
            piece = np.ascontiguousarray(rows[first : first + _PIECE], dtype=np.float32)
            answers[first : first + len(piece)] = self._session.run(None, {self._input: piece})[0][:, 0]
        return answers
