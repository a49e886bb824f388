"""Which computed rows are new, revised, unchanged or outdated beside what is stored: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEY: Final = ("ticker", "timestamp")
_PLACE: Final = ".place"
_NAN: Final = np.uint32(0x7FC00000)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be done with computed rows.

    Attributes:
        fresh: Rows to be added, with their `revision` (Int32): 1, or one more than the newest stored one.
        superseded: KEY and `revision` of the stored rows that they supersede.
        unchanged: How many rows are stored already with the same values.
        outdated: How many differ but rest on less knowledge than what is stored.
    """

    fresh: pl.DataFrame
    superseded: pl.DataFrame
    unchanged: int
    outdated: int


def judge(rows: pl.DataFrame, newest: pl.DataFrame, values: Sequence[str]) -> Judged:
    """Compare rows with the newest stored revisions, bitwise in prices, volume, session and `values`.

    Args:
        rows: KEY, as_of, open, close, volume, session, `values` (Float32), what else is to be stored; unique by KEY.
        newest: The same columns and `revision` (Int32), unique by KEY; may hold rows of other keys.
        values: The features.
    """
    stored = newest.select(*KEY, "revision", pl.col("as_of").alias(".as_of")).with_row_index(_PLACE)
    paired = rows.select(*KEY, "as_of").join(stored, on=list(KEY), how="left", maintain_order="left")
    known = paired[_PLACE].is_not_null().to_numpy()
    differs = np.ones(rows.height, bool)
    partners = newest[paired[_PLACE].drop_nulls().to_numpy()]
    differs[known] = ~_equal(rows.filter(known), partners, values)
    late = (paired["as_of"] < paired[".as_of"]).fill_null(value=False).to_numpy()
    taken = differs & ~late
    revision = (paired["revision"].fill_null(0) + 1).cast(pl.Int32)
    return Judged(
        rows.with_columns(revision).filter(taken),
        paired.filter(taken & known).select(*KEY, "revision"),
        unchanged=int((~differs).sum()),
        outdated=int((differs & late).sum()),
    )


def _equal(left: pl.DataFrame, right: pl.DataFrame, values: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each pair of rows whether they are equal, bit by bit."""
    same = (left["session"] == right["session"]).to_numpy()
    for name in ("open", "close", "volume"):
        same = same & (_bits(left[name]) == _bits(right[name]))
    return np.asarray(same & (value_bits(left, values) == value_bits(right, values)).all(axis=1))


def _bits(column: pl.Series) -> NDArray[np.int64]:
    """Return the bits of a Float64 column; null, as rows have of before the table had `open`, equals no number."""
    return column.fill_null(np.nan).to_numpy().view(np.int64)


def value_bits(rows: pl.DataFrame, values: Sequence[str]) -> NDArray[np.uint32]:
    """Return the bits of the values (Float32), rows by columns; one pattern for null."""
    matrix = rows.select(values).to_numpy(order="c").astype(np.float32, copy=False)
    return np.where(np.isnan(matrix), _NAN, matrix.view(np.uint32))
