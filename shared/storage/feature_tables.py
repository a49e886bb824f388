"""The tables of feature rows: columns, partitions of a feature set, and the registry of feature sets."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import polars as pl
from sqlalchemy import Connection, text

from shared.contracts.bars import INSTANT
from shared.errors import ConfigurationError

State = Literal["building", "active", "retired"]

ROW_COLUMNS: Final[dict[str, pl.DataType]] = {
    "ticker": pl.String(),
    "timestamp": INSTANT,
    "as_of": INSTANT,
    "open": pl.Float64(),
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


COPIED: Final = (
    *("timestamp", "as_of", "made_at", "open", "close", "volume", "batch_id", "revision"),
    *("simulated", "replayed", "served", "ticker", "session", "feature_set"),
)
"""The columns of a COPY before the features; `superseded_at` is null at first."""

HASH_PARTITIONS: Final = 8
"""Partitions of a feature set, by hash of the ticker: see docs/decisions/feature-table.md."""

_SET_NAME: Final = re.compile(r"[a-z0-9_]{1,40}")
_FEATURE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,59}")
_LOCK: Final = 7_401_985_304  # any fixed number that names this lock
_COLUMNS: Final = text(
    """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = 'aggregated_data'::regclass AND attnum > 0 AND NOT attisdropped
    """
)
_REGISTER: Final = text(
    """
    INSERT INTO feature_sets (name, names, state, activated_at)
    SELECT :name, :names, CASE WHEN first THEN 'active' ELSE 'building' END, CASE WHEN first THEN now() END
    FROM (SELECT NOT EXISTS (SELECT FROM feature_sets) AS first)
    """
)


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
    _check_names(name, names)
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    changes = _add_columns(connection, names)
    known = next((found for found in feature_sets(connection) if found.name == name), None)
    if known is not None:
        if known.names != tuple(names):
            raise ConfigurationError(
                f"feature set {name} is registered with other features or another order. "
                "Its name is a hash of them: raise the version of the feature that changed."
            )
        return changes
    _add_partitions(connection, name)
    connection.execute(_REGISTER, {"name": name, "names": list(names)})
    state = feature_set(connection, name).state
    return [*changes, f"feature set {name}: {len(names)} features, {HASH_PARTITIONS} partitions, {state}"]


def feature_sets(connection: Connection) -> list[FeatureSet]:
    """Return every registered feature set, oldest first."""
    query = "SELECT name, names, state, created_at FROM feature_sets ORDER BY created_at, name"
    return [FeatureSet(name, tuple(names), *rest) for name, names, *rest in connection.execute(text(query))]


def feature_set(connection: Connection, name: str | None = None) -> FeatureSet:
    """Return a feature set by its name, else the active one.

    Raises:
        ConfigurationError: there is none.
    """
    for found in feature_sets(connection):
        if found.name == name or (name is None and found.state == "active"):
            return found
    raise ConfigurationError(
        f"there is no {f'feature set {name}' if name else 'active feature set'}. Run `python -m infra.provision`."
    )


def activate(connection: Connection, name: str) -> None:
    """Make `name` the active feature set, and retire the one that was.

    Raises:
        ConfigurationError: it is not registered.
    """
    if feature_set(connection, name).state == "active":
        return
    connection.execute(text("UPDATE feature_sets SET state = 'retired' WHERE state = 'active'"))
    change = "UPDATE feature_sets SET state = 'active', activated_at = now() WHERE name = :name"
    connection.execute(text(change), {"name": name})


def drop_feature_set(connection: Connection, name: str) -> None:
    """Drop a retired feature set's rows and registration; its columns stay, for other sets may use them.

    Raises:
        ConfigurationError: it is not registered, or not retired.
    """
    if (found := feature_set(connection, name)).state != "retired":
        raise ConfigurationError(f"feature set {name} is {found.state}: only a retired one can be dropped.")
    connection.execute(text(f'DROP TABLE "{_partition(name)}"'))
    connection.execute(text("DELETE FROM feature_sets WHERE name = :name"), {"name": name})


def _check_names(name: str, names: Sequence[str]) -> None:
    taken = {*STORED_COLUMNS, "feature_set"}
    bad = [feature for feature in names if not _FEATURE_NAME.fullmatch(feature) or feature in taken]
    bad += [] if _SET_NAME.fullmatch(name) else [name]
    if bad or len(set(names)) != len(names):
        raise ConfigurationError(
            f"feature set {name}: names must be lower case letters, digits and _, each once, and none that rows have "
            f"already: {', '.join(bad) or 'one is there twice'}."
        )


def _add_columns(connection: Connection, names: Sequence[str]) -> list[str]:
    present = {row.attname: row.format_type for row in connection.execute(_COLUMNS)}
    if wrong := [name for name in names if present.get(name, "real") != "real"]:
        raise ConfigurationError(f"columns of aggregated_data are not REAL: {', '.join(wrong)}. Rename the feature.")
    lacking = [name for name in names if name not in present]
    if not lacking:
        return []
    added = ", ".join(f'ADD COLUMN "{name}" real' for name in lacking)
    connection.execute(text(f"ALTER TABLE aggregated_data {added}"))
    return [f"aggregated_data: {len(lacking)} feature columns added"]


def _add_partitions(connection: Connection, name: str) -> None:
    whole = _partition(name)
    connection.execute(
        text(
            f"CREATE TABLE \"{whole}\" PARTITION OF aggregated_data FOR VALUES IN ('{name}') PARTITION BY HASH (ticker)"
        )
    )
    for remainder in range(HASH_PARTITIONS):
        part = f"{whole}_{remainder}"
        values = f"(MODULUS {HASH_PARTITIONS}, REMAINDER {remainder})"
        connection.execute(text(f'CREATE TABLE "{part}" PARTITION OF "{whole}" FOR VALUES WITH {values}'))
        connection.execute(text(f'CREATE UNIQUE INDEX ON "{part}" (ticker, "timestamp", revision)'))


def _partition(name: str) -> str:
    return f"aggregated_data_{name}"
