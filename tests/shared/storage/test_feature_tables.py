"""The feature table's columns, partitions and sets on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from shared.errors import ConfigurationError
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.storage.feature_tables import (
    HASH_PARTITIONS,
    activate,
    drop_feature_set,
    ensure_feature_set,
    feature_set,
    feature_sets,
)
from shared.storage.postgres import transaction
from tests.shared.storage.feature_rows import append, provisioned, rows


def ensure(engine: Engine, name: str, names: tuple[str, ...]) -> list[str]:
    with transaction(engine) as connection:
        return ensure_feature_set(connection, name, names)


def states(engine: Engine) -> dict[str, str]:
    with transaction(engine) as connection:
        return {found.name: found.state for found in feature_sets(connection)}


def columns(engine: Engine) -> dict[str, str]:
    query = "SELECT attname, format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'aggregated_data'::regclass"
    with transaction(engine) as connection:
        return {row[0]: row[1] for row in connection.execute(text(query))}


def test_catalogue_becomes_real_columns_once(engine: Engine) -> None:
    changes = ensure(engine, FEATURE_SET, NAMES)
    assert len(changes) == 2
    assert {columns(engine)[name] for name in NAMES} == {"real"}
    before = columns(engine)
    assert ensure(engine, FEATURE_SET, NAMES) == []
    assert columns(engine) == before
    with transaction(engine) as connection:
        assert feature_set(connection).names == NAMES


def test_first_set_is_active_and_a_later_one_waits_for_its_rebuild(engine: Engine) -> None:
    ensure(engine, "fa", ("a", "b"))
    assert len(ensure(engine, "fb", ("a", "b", "c"))) == 2
    assert states(engine) == {"fa": "active", "fb": "building"}
    with transaction(engine) as connection:
        assert feature_set(connection).name == "fa"
        activate(connection, "fb")
        activate(connection, "fb")
    assert states(engine) == {"fa": "retired", "fb": "active"}
    with transaction(engine) as connection:
        drop_feature_set(connection, "fa")
    assert states(engine) == {"fb": "active"}
    assert {"a", "b", "c"} <= set(columns(engine))


def test_dropped_set_takes_its_rows_and_no_others(engine: Engine) -> None:
    provisioned(engine)
    append(engine, rows())
    ensure(engine, "fb", ("x0",))
    with transaction(engine) as connection:
        activate(connection, "fb")
        drop_feature_set(connection, "ftest")
        assert connection.execute(text("SELECT count(*) FROM aggregated_data")).scalar_one() == 0


@pytest.mark.parametrize("state", ["active", "building"])
def test_set_that_is_in_use_cannot_be_dropped(engine: Engine, state: str) -> None:
    ensure(engine, "fa", ("a",))
    ensure(engine, "fb", ("b",))
    name = next(name for name, found in states(engine).items() if found == state)
    with transaction(engine) as connection, pytest.raises(ConfigurationError, match=state):
        drop_feature_set(connection, name)


def test_set_of_the_same_name_with_other_features_is_refused(engine: Engine) -> None:
    ensure(engine, "fa", ("a", "b"))
    with pytest.raises(ConfigurationError, match="raise the version"):
        ensure(engine, "fa", ("b", "a"))


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("fa", ("close",)),
        ("fa", ("feature_set",)),
        ("fa", ("Upper",)),
        ("fa", ('a" real; --',)),
        ("fa", ("a", "a")),
        ("fa'", ("a",)),
        ("fa", ("x" * 61,)),
    ],
)
def test_name_that_is_no_column_is_refused(engine: Engine, name: str, names: tuple[str, ...]) -> None:
    before = columns(engine)
    with pytest.raises(ConfigurationError, match="names must be"):
        ensure(engine, name, names)
    assert columns(engine) == before


def test_unknown_set_and_none_at_all_are_told(engine: Engine) -> None:
    with transaction(engine) as connection:
        with pytest.raises(ConfigurationError, match="no active feature set"):
            feature_set(connection)
        with pytest.raises(ConfigurationError, match="no feature set fz"):
            activate(connection, "fz")


def test_provisioners_at_once_make_it_once(engine: Engine) -> None:
    with ThreadPoolExecutor(2) as pool:
        lines = list(pool.map(lambda _: ensure(engine, "fa", ("a", "b")), range(2)))
    assert sorted(len(found) for found in lines) == [0, 2]
    query = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'aggregated_data_fa'::regclass"
    with transaction(engine) as connection:
        assert connection.execute(text(query)).scalar_one() == HASH_PARTITIONS
