"""Arrays to columns: 32-bit floats with nulls for what is not a number, without a copy."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray


def float_columns(names: Sequence[str], values: NDArray[np.float32]) -> pl.DataFrame:
    """Return Float32 columns over the memory of `values`, which must not change any more.

    Args:
        names: The columns.
        values: One row a column, contiguous; what is NaN or infinite becomes null.
    """
    count = values.shape[1]
    valid = np.packbits(np.isfinite(values), axis=1, bitorder="little")
    arrays = [
        pa.Array.from_buffers(pa.float32(), count, [pa.py_buffer(bits), pa.py_buffer(column)])
        for bits, column in zip(valid, values, strict=True)
    ]
    return pl.DataFrame(pa.RecordBatch.from_arrays(arrays, list(names)))
