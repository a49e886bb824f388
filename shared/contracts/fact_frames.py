"""Puts slow facts, one mapping each, into frames; a statement field may have values of several types."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TypeAlias

import polars as pl

from shared.contracts.bars import INSTANT
from shared.contracts.lake import Dataset

Row: TypeAlias = Mapping[str, str | float | int | bool | date | datetime | None]
"""One fact: its message's columns, and `ingested_at`."""


def frames_of_rows(dataset: Dataset, rows: Sequence[Row]) -> list[pl.DataFrame]:
    """Return the rows as frames: one, or one a row where an open column has values of several types.

    Args:
        dataset: Whose facts these are.
        rows: Message columns and `ingested_at`; what a row does not have is null.
    """
    if not rows:
        return []
    if any(len(kinds) > 1 for kinds in _open_kinds(dataset, rows).values()):
        return [_frame(dataset, [row]) for row in rows]
    return [_frame(dataset, rows)]


def _frame(dataset: Dataset, rows: Sequence[Row]) -> pl.DataFrame:
    kinds = {name: kinds.pop() if kinds else pl.Float64() for name, kinds in _open_kinds(dataset, rows).items()}
    schema = {**dataset.columns, **kinds, "ingested_at": INSTANT}
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in schema}, schema=schema)


def _open_kinds(dataset: Dataset, rows: Iterable[Row]) -> dict[str, set[pl.DataType]]:
    """Return the types of the values in each open column."""
    found: dict[str, set[pl.DataType]] = {}
    if not dataset.open_columns:
        return found
    for row in rows:
        for name in row.keys() - dataset.lake_columns.keys():
            value, kinds = row[name], found.setdefault(name, set())
            if isinstance(value, bool):
                kinds.add(pl.Boolean())
            elif isinstance(value, float | int):
                kinds.add(pl.Float64())
            elif value is not None:
                kinds.add(pl.String())
    return found
