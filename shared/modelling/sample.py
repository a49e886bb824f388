"""The parity sample: rows that travel with a model, and the answers that its fit gave to them."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_ROWS = 256


@dataclass(frozen=True, slots=True)
class ParitySample:
    """Rows, shape (n, features), float32 with NaN for null, and the fitted model's answers, shape (n,)."""

    rows: NDArray[np.float32]
    answers: NDArray[np.float64]

    def to_npz(self) -> bytes:
        """Return both as an uncompressed npz file; equal samples give equal bytes."""
        sink = io.BytesIO()
        np.savez(sink, allow_pickle=False, rows=self.rows, answers=self.answers)
        return sink.getvalue()

    @classmethod
    def from_npz(cls, data: bytes) -> "ParitySample":
        """Return the sample in a file made by `to_npz`; nothing is unpickled.

        Raises:
            ValueError: it is no such file.
            KeyError: an array is missing.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["rows"], arrays["answers"])


def sample_rows(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return SAMPLE_ROWS rows spread over all, a quarter of them with nulls put in at random, the last all null."""
    random = np.random.default_rng(seed)
    places = np.linspace(0, len(rows) - 1, SAMPLE_ROWS).astype(np.int64)
    chosen = rows[places].copy()
    quarter = SAMPLE_ROWS // 4
    chosen[-quarter:][random.random((quarter, rows.shape[1])) < 0.3] = np.nan
    chosen[-1] = np.nan
    return chosen
