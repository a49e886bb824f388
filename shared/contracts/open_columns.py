"""Columns that a source names itself (a filing's statement fields): one type each, by the set of their values.

Float64 if all values are numbers, Boolean if all are booleans, else String. Numbers in a String column are written as
the shortest text that reads back as the same number (`1.0`, `0.1`, `1e+20`), booleans as `true` and `false`.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from shared.contracts.lake import Dataset
from shared.errors import ContractError


def join_types(dataset: Dataset, frames: Iterable[pl.DataFrame]) -> dict[str, pl.DataType]:
    """Return the open columns of `frames`, sorted by name, with the type that holds all their values.

    Raises:
        ContractError: a column holds neither text nor numbers nor booleans.
    """
    kinds: dict[str, set[pl.DataType]] = {}
    for frame in frames if dataset.open_columns else ():
        for column in frame.iter_columns():
            if column.name not in dataset.lake_columns:
                kinds.setdefault(column.name, set()).update(_kinds_of_values(column))
    return {name: _joined(kinds[name]) for name in sorted(kinds)}


def cast(frame: pl.DataFrame, kinds: Mapping[str, pl.DataType]) -> list[pl.Series]:
    """Return the open columns of `frame` in their joined types; null where it has none."""
    present = {column.name: column for column in frame.iter_columns() if column.name in kinds}
    return [
        _cast(present[name], kind) if name in present else pl.Series(name, [None], kind).new_from_index(0, frame.height)
        for name, kind in kinds.items()
    ]


def _cast(column: pl.Series, kind: pl.DataType) -> pl.Series:
    if column.dtype == kind:
        return column
    if column.null_count() == len(column) or kind != pl.String:
        return column.cast(kind)
    if column.dtype == pl.Boolean:
        texts = [None if value is None else str(value).lower() for value in column]
    else:  # a zero is 0.0, never -0.0
        texts = [None if value is None else repr(float(value) + 0.0) for value in column]
    return pl.Series(column.name, texts, pl.String)


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
