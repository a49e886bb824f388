"""The tables of feature rows: columns, partitions of a feature set, and the registry of feature sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import polars as pl
from sqlalchemy import Connection

from shared.contracts.bars import INSTANT

State = Literal["building", "active", "retired"]

ROW_COLUMNS: Final[dict[str, pl.DataType]] = {
    "ticker": pl.String(),
    "timestamp": INSTANT,
    "as_of": INSTANT,
    "close": pl.Float64(),
    "volume": pl.Float64(),
    "session": pl.String(),
    "simulated": pl.Boolean(),
}
"""What a frame of rows has before its features (Float32); `replayed` and `served` (Boolean) may come with it."""

STORED_COLUMNS: Final[dict[str, pl.DataType]] = {
    **ROW_COLUMNS,
    "revision": pl.Int32(),
    "made_at": INSTANT,
    "superseded_at": INSTANT,
    "served": pl.Boolean(),
    "replayed": pl.Boolean(),
    "batch_id": pl.Int64(),
}
"""What a stored row has before its features."""


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """A set of feature columns that rows were computed with. `names` are in the catalogue's order."""

    name: str
    names: tuple[str, ...]
    state: State
    created_at: datetime


def ensure_feature_set(connection: Connection, name: str, names: Sequence[str]) -> list[str]:
    """Make the columns, partitions and registration of a feature set where they lack; return a line for each change.

    The first feature set ever is active at once, a later one is `building` until `activate`.

    Raises:
        ConfigurationError: the set is registered with other names, or a name is not a column's.
    """
    raise NotImplementedError


def feature_sets(connection: Connection) -> list[FeatureSet]:
    """Return every registered feature set, oldest first."""
    raise NotImplementedError


def feature_set(connection: Connection, name: str | None = None) -> FeatureSet:
    """Return a feature set by its name, else the active one.

    Raises:
        ConfigurationError: there is none.
    """
    raise NotImplementedError


def activate(connection: Connection, name: str) -> None:
    """Make `name` the active feature set, and retire the one that was.

    Raises:
        ConfigurationError: it is not registered.
    """
    raise NotImplementedError


def drop_feature_set(connection: Connection, name: str) -> None:
    """Drop a retired feature set's rows and registration; its columns stay, for other sets may use them.

    Raises:
        ConfigurationError: it is not registered, or not retired.
    """
    raise NotImplementedError
