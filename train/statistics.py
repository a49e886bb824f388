"""What training saw in a ticker's rows: numbers for people, of which the profile is made, and where they came from."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from scipy import stats

from shared.features.catalogue import CATALOGUE

GROUPS: Mapping[str, str] = {feature.name: str(feature.group) for feature in CATALOGUE}


def by_group(features: Sequence[str]) -> dict[str, list[str]]:
    """Return the features' names by group, in order; those that the catalogue no longer has are in `other`."""
    groups: dict[str, list[str]] = {}
    for name in features:
        groups.setdefault(GROUPS.get(name, "other"), []).append(name)
    return groups


def lineage_of(rows: pl.DataFrame, feature_set: str) -> dict[str, str]:
    """Return where rows came from: their number, that of their batches, and the least and greatest `batch_id`.

    Args:
        rows: batch_id, at least one.
        feature_set: Theirs.
    """
    made_by = rows["batch_id"]
    found = {
        "rows": rows.height,
        "batches": made_by.n_unique(),
        "first_batch": made_by.min(),
        "last_batch": made_by.max(),
    }
    return {"feature_set": feature_set, **{name: str(value) for name, value in found.items()}}


def statistics_of(rows: pl.DataFrame, features: Sequence[str]) -> dict[str, Any]:
    """Return numbers about a ticker's rows as JSON.

    Args:
        rows: timestamp, close, session, and the features (Float32, null where none), ascending.
        features: Which columns are features.

    Returns:
        `rows`, `first` and `last` bar, `returns` (of consecutive minutes of one session, as fractions), and `features`:
        group -> name -> mean, std, min, max and share of nulls. What is not defined is null.
    """
    first, last = rows["timestamp"].min(), rows["timestamp"].max()
    return {
        "rows": rows.height,
        "first": str(first),
        "last": str(last),
        "returns": _returns(rows),
        "features": {
            group: {name: _feature(rows[name]) for name in names} for group, names in by_group(features).items()
        },
    }


def _returns(rows: pl.DataFrame) -> dict[str, float | int | None]:
    consecutive = pl.col("timestamp").diff() == pl.duration(minutes=1)
    moves = rows.select(
        pl.when(consecutive & (pl.col("session") == pl.col("session").shift()))
        .then(pl.col("close") / pl.col("close").shift() - 1)
        .alias("move")
    )["move"].drop_nulls()
    spread = moves.std()
    varied = moves.len() > 3 and spread is not None and float(str(spread)) > 0
    return {
        "count": moves.len(),
        "mean": _number(moves.mean()),
        "std": _number(spread),
        "min": _number(moves.min()),
        "max": _number(moves.max()),
        "skewness": _number(stats.skew(moves.to_numpy())) if varied else None,
        "excess_kurtosis": _number(stats.kurtosis(moves.to_numpy())) if varied else None,
    }


def _feature(column: pl.Series) -> dict[str, float | None]:
    values = column.cast(pl.Float64)
    return {
        "mean": _number(values.mean()),
        "std": _number(values.std()),
        "min": _number(values.min()),
        "max": _number(values.max()),
        "null_share": values.null_count() / values.len() if values.len() else None,
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
