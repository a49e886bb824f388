"""Columns that a source names itself (a filing's statement fields): one type each, by the set of their values.

Float64 if all values are numbers, Boolean if all are booleans, else String. Numbers in a String column are written as
the shortest text that reads back as the same number (`1.0`, `0.1`, `1e+20`), booleans as `true` and `false`.
"""

from collections.abc import Iterable

import polars as pl

from shared.contracts.lake import Dataset
from shared.errors import ContractError


def join_types(dataset: Dataset, frames: Iterable[pl.DataFrame]) -> dict[str, pl.DataType]:
    """Return the open columns of `frames`, sorted by name, with the type that holds all their values.

    Raises:
        ContractError: a column holds neither text nor numbers nor booleans.
    """
    if not dataset.open_columns:
        return {}
    kinds: dict[str, set[pl.DataType]] = {}
    for frame in frames:
        for name in frame.columns:
            if name not in dataset.lake_columns:
                kinds.setdefault(name, set()).update(_kinds_of_values(frame[name]))
    return {name: _joined(kinds[name]) for name in sorted(kinds)}


def cast(frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Expr:
    """Return the open column `name` of `frame` in its joined type; null where the frame has none."""
    held = frame.schema.get(name, pl.Null())
    if held == pl.Null() or _kinds_of_values(frame[name]) == set():
        return pl.lit(None, kind).alias(name)
    column = pl.col(name)
    if held.is_numeric():
        column = without_minus_zero(column.cast(pl.Float64))
    if kind != pl.String or held == pl.String:
        return column
    if held == pl.Boolean:
        return pl.when(column).then(pl.lit("true")).when(~column).then(pl.lit("false")).otherwise(None).alias(name)
    return column.map_elements(repr, return_dtype=pl.String)


def without_minus_zero(column: pl.Expr) -> pl.Expr:
    """Return the numbers with -0.0 made 0.0, its equal."""
    return pl.when(column == 0.0).then(0.0).otherwise(column).name.keep()


def _kinds_of_values(column: pl.Series) -> set[pl.DataType]:
    """Return the type of the column's values; nothing where it has only nulls, whatever its type."""
    if column.null_count() == len(column):
        return set()
    if column.dtype.is_numeric():
        return {pl.Float64()}
    if column.dtype not in (pl.String, pl.Boolean):
        raise ContractError(
            f"column {column.name} is of type {column.dtype}, not text, number or boolean. Mend its writer."
        )
    return {column.dtype}


def _joined(kinds: set[pl.DataType]) -> pl.DataType:
    if kinds <= {pl.Float64()}:
        return pl.Float64()
    return pl.Boolean() if kinds == {pl.Boolean()} else pl.String()
