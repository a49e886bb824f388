"""Feature rows on a real PostgreSQL: what is stored, what is a revision, and what a killed process leaves."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from shared.errors import ConfigurationError, ContractError
from shared.features import compute
from shared.settings import PostgresSettings
from shared.storage.batches import Appended, Batch
from shared.storage.feature_store import FeatureStore
from shared.storage.feature_tables import ROW_COLUMNS, STORED_COLUMNS, ensure_feature_set
from shared.storage.offsets import OffsetStore
from shared.storage.postgres import transaction
from tests.shared.storage.feature_rows import (
    BATCH,
    MADE_AT,
    MINUTE,
    MONDAY,
    NAMES,
    SET,
    SOURCE,
    STORE,
    append,
    known_later,
    provisioned,
    rows,
)

FOREVER = (MONDAY - timedelta(days=9), MONDAY + timedelta(days=99))


@pytest.fixture
def engine(engine: Engine) -> Engine:
    provisioned(engine)
    return engine


def newest(engine: Engine, ticker: str = "AAPL") -> pl.DataFrame:
    with transaction(engine) as connection:
        return STORE.newest_revisions(connection, ticker, *FOREVER)


def counted(engine: Engine, query: str = "SELECT count(*) FROM aggregated_data") -> int:
    with transaction(engine) as connection:
        return int(connection.execute(text(query)).scalar_one())


def same_bits(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    """Whether two frames are equal with every bit of every number, and nulls where nulls are."""
    floats = [name for name, kind in left.schema.items() if kind.is_float()]
    bits = [left[n].to_numpy().tobytes() == right[n].to_numpy().tobytes() for n in floats]
    return left.schema == right.schema and left.equals(right) and all(bits)


def test_a_frame_of_rows_is_what_the_catalogue_makes() -> None:
    assert compute.ROW_COLUMNS == ROW_COLUMNS


def test_rows_come_back_bit_by_bit_with_nulls_and_utc(engine: Engine) -> None:
    smallest = float(np.float32(1e-45))
    frame = rows(minutes=range(3000)).with_columns(x0=pl.lit(-0.0, pl.Float32), x1=pl.lit(smallest, pl.Float32))
    assert frame["x2"].null_count() > 100
    assert append(engine, frame) == [Appended(3000, 0, 0, 0)]

    stored = newest(engine)
    assert stored.schema == {**STORED_COLUMNS, **dict.fromkeys(NAMES, pl.Float32())}
    assert same_bits(stored.select(frame.columns), frame)
    assert stored["made_at"].to_list() == [MADE_AT] * 3000
    assert str(stored["timestamp"].dtype) == "Datetime(time_unit='us', time_zone='UTC')"
    with transaction(engine) as connection:
        query = 'SELECT "timestamp", x2 FROM aggregated_data ORDER BY "timestamp"'
        plain = connection.execute(text(query)).all()
    assert [one.timestamp.astimezone(UTC) for one in plain] == frame["timestamp"].to_list()
    assert [one.x2 is None for one in plain] == frame["x2"].is_null().to_list()


def test_the_same_frame_again_adds_nothing(engine: Engine) -> None:
    frame = rows(minutes=range(50))
    later = Batch(SOURCE, 12, 12, 1, MADE_AT + MINUTE)
    assert append(engine, frame, frame) == [Appended(50, 0, 0, 0), Appended(0, 0, 50, 0)]
    assert append(engine, known_later(frame), batch=later) == [Appended(0, 0, 50, 0)]
    assert counted(engine) == 50
    assert newest(engine)["as_of"].to_list() == frame["as_of"].to_list()


def test_a_revision_is_made_of_exactly_the_rows_that_differ(engine: Engine) -> None:
    frame = rows(minutes=range(60))
    append(engine, frame)
    changed = known_later(frame).with_columns(
        x3=pl.when(pl.int_range(pl.len()) == 10).then(pl.lit(9.0, pl.Float32)).otherwise("x3"),
        x4=pl.when(pl.int_range(pl.len()) == 20).then(None).otherwise("x4"),
        close=pl.when(pl.int_range(pl.len()) == 30).then(pl.col("close") + 1).otherwise("close"),
        volume=pl.when(pl.int_range(pl.len()) == 40).then(pl.col("volume") + 1).otherwise("volume"),
    )
    expected = [n for n in (10, 20, 30, 40) if n != 20 or frame["x4"][20] is not None]
    later = Batch(SOURCE, 12, 13, 1, MADE_AT + MINUTE, "remake")
    outcome = append(engine, changed, batch=later)
    assert outcome == [Appended(0, len(expected), 60 - len(expected), 0)]

    stored = newest(engine)
    assert stored.filter(pl.col("revision") == 2)["timestamp"].to_list() == changed[expected]["timestamp"].to_list()
    assert same_bits(stored.select(*NAMES, "close", "volume"), changed.select(*NAMES, "close", "volume"))
    with transaction(engine) as connection:
        query = 'SELECT "timestamp", revision, superseded_at FROM aggregated_data WHERE superseded_at IS NOT NULL'
        old = connection.execute(text(query + ' ORDER BY "timestamp"')).all()
    assert [one.timestamp for one in old] == changed[expected]["timestamp"].to_list()
    assert {(one.revision, one.superseded_at) for one in old} == {(1, later.made_at)}


def test_minus_zero_and_zero_are_two_values(engine: Engine) -> None:
    frame = rows().with_columns(x0=pl.lit(0.0, pl.Float32))
    append(engine, frame)
    assert append(engine, frame.with_columns(x0=pl.lit(-0.0, pl.Float32))) == [Appended(0, 5, 0, 0)]


def test_less_knowledge_never_replaces_more(engine: Engine) -> None:
    first, second = rows(seed=1), known_later(rows(seed=2))
    append(engine, second)
    assert append(engine, first) == [Appended(0, 0, 0, 5)]
    assert same_bits(newest(engine).select(second.columns), second)


def test_frames_of_many_tickers_and_overlapping_ranges(engine: Engine) -> None:
    week = [rows(ticker, range(40), seed=number) for number, ticker in enumerate(["AAPL", "MSFT", "SIM.A"])]
    append(engine, pl.concat(week[:2]))
    more = [rows("AAPL", range(30, 50), seed=9), week[1], week[2]]
    assert append(engine, known_later(pl.concat(more))) == [Appended(10 + 40, 10, 40, 0)]
    assert newest(engine, "AAPL").height == 50
    assert same_bits(newest(engine, "SIM.A").select(*NAMES), week[2].select(*NAMES))


def test_rows_between_stored_ones_are_new(engine: Engine) -> None:
    append(engine, rows(minutes=range(5, 6)))
    around = pl.concat([rows(minutes=range(2)), rows(minutes=range(9, 11))])
    assert append(engine, around) == [Appended(4, 0, 0, 0)]
    assert newest(engine)["revision"].to_list() == [1] * 5


def test_newest_rows_are_the_last_bars_newest_revisions(engine: Engine) -> None:
    append(engine, rows("AAPL", range(9)), rows("MSFT", range(4)), known_later(rows("MSFT", range(3, 4), seed=5)))
    with transaction(engine) as connection:
        found = STORE.newest_rows(connection, ["MSFT", "NOPE", "AAPL"])
    assert found.select("ticker", "timestamp", "revision").rows() == [
        ("MSFT", MONDAY + 3 * MINUTE, 2),
        ("AAPL", MONDAY + 8 * MINUTE, 1),
    ]
    assert same_bits(found[1].select(NAMES), rows("AAPL", range(9))[8].select(NAMES))
    with transaction(engine) as connection:
        assert STORE.mark_served(connection, found) == 2
        assert STORE.mark_served(connection, found) == 0
        assert STORE.newest_rows(connection, ["AAPL"])["served"].to_list() == [True]


def test_own_rows_are_seen_before_they_are_committed(engine: Engine) -> None:
    with transaction(engine) as connection:
        STORE.append(connection, rows(), STORE.open_batch(connection, BATCH))
        assert STORE.newest_rows(connection, ["AAPL"]).height == 1
        assert newest(engine).is_empty()


def test_lineage_says_what_the_rows_were_made_from(engine: Engine) -> None:
    batch = Batch(SOURCE, 10, 12, epoch=4, made_at=MADE_AT, applied={"h_macrodata": {0: 7, 1: 9}})
    append(engine, rows(), batch=batch)
    query = "SELECT DISTINCT b.* FROM aggregated_data a JOIN aggregation_batches b USING (batch_id)"
    with transaction(engine) as connection:
        (one,) = connection.execute(text(query)).mappings()
    assert dict(one) | {"batch_id": 0} == {
        "batch_id": 0, "feature_set": SET, "kind": "stream", "topic": "h_alpaca", "topic_id": "id-of-topic",
        "partition": 3, "first_offset": 10, "next_offset": 12, "epoch": 4, "made_at": MADE_AT,
        "applied": {"h_macrodata": {"0": 7, "1": 9}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "spoilt",
    [
        rows().drop("x3"),
        rows().drop("volume"),
        rows().with_columns(pl.col("x1").cast(pl.Float64)),
        rows().with_columns(pl.col("timestamp").dt.replace_time_zone(None)),
        rows().with_columns(x1=pl.lit(float("nan"), pl.Float32)),
        rows().with_columns(x1=pl.lit(float("-inf"), pl.Float32)),
        rows().with_columns(close=pl.lit(None, pl.Float64)),
    ],
)
def test_frame_that_breaks_the_contract_is_refused(engine: Engine, spoilt: pl.DataFrame) -> None:
    with pytest.raises(ContractError, match="feature rows"):
        append(engine, spoilt)
    assert counted(engine) == 0


def test_empty_frame_is_nothing(engine: Engine) -> None:
    assert append(engine, rows().clear()) == [Appended(0, 0, 0, 0)]


def test_unknown_feature_set_says_to_provision(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=r"infra\.provision"):
        append(engine, rows(), store=FeatureStore("other", NAMES))


def test_two_sets_lie_side_by_side(engine: Engine) -> None:
    wider = (*NAMES, "y0")
    with transaction(engine) as connection:
        ensure_feature_set(connection, "fnext", wider)
    append(engine, rows())
    other = FeatureStore("fnext", wider)
    assert append(engine, rows(names=wider), store=other) == [Appended(5, 0, 0, 0)]
    assert newest(engine).height == 5
    assert counted(engine) == 10


Fate = Sequence[tuple[int, int, int]]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12))
def test_any_sequence_of_appends_keeps_the_row_of_most_knowledge(engine: Engine, fates: Fate) -> None:
    """An oracle of plain dictionaries: (minute, which values, how late known) one after the other."""
    kept: dict[int, list[tuple[int, int]]] = {}
    with transaction(engine) as connection:
        connection.execute(text("TRUNCATE aggregated_data"))
    for minute, seed, late in fates:
        append(engine, known_later(rows(minutes=range(minute, minute + 1), seed=seed), late * MINUTE))
        versions = kept.setdefault(minute, [])
        if not versions or (versions[-1][0] != seed and late >= versions[-1][1]):
            versions.append((seed, late))
    stored = newest(engine)
    expected = {MONDAY + minute * MINUTE: versions for minute, versions in kept.items()}
    assert dict(stored.select("timestamp", "revision").iter_rows()) == {at: len(v) for at, v in expected.items()}
    for at, versions in expected.items():
        minute = (at - MONDAY) // MINUTE
        wanted = known_later(rows(minutes=range(minute, minute + 1), seed=versions[-1][0]), versions[-1][1] * MINUTE)
        assert same_bits(stored.filter(pl.col("timestamp") == at).select(wanted.columns), wanted)
    assert counted(engine) == sum(len(versions) for versions in kept.values())


KILLED = """
import sys
from shared.failpoints import configure
from shared.settings import PostgresSettings
from shared.storage.offsets import Claim, OffsetStore
from shared.storage.outbox import Outbox
from shared.storage.postgres import make_engine, transaction
from tests.shared.storage.feature_rows import BATCH, SOURCE, STORE, rows
configure("features.after_copy=kill")
engine = make_engine(PostgresSettings.load())
with transaction(engine) as connection:
    OffsetStore(engine).advance(connection, Claim(SOURCE, 1, 0), 12)
    Outbox().add(connection, "start_model", None, b"{}", "run")
    STORE.append(connection, rows(minutes=range(5000)), STORE.open_batch(connection, BATCH))
"""


def test_killed_between_copy_and_commit_leaves_nothing(engine: Engine, database: PostgresSettings) -> None:
    offsets = OffsetStore(engine)
    claim = offsets.claim(SOURCE, 0, "first")
    environment = {
        **os.environ,
        "POSTGRES_HOST": database.postgres_host,
        "POSTGRES_PORT": str(database.postgres_port),
        "POSTGRES_DB": database.postgres_db,
        "POSTGRES_USER": database.postgres_user,
        "POSTGRES_PASSWORD": database.postgres_password.get_secret_value(),
        "PYTHONPATH": str(Path.cwd()),
    }
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr

    tables = ("aggregated_data", "aggregation_batches", "outbox")
    assert [counted(engine, f"SELECT count(*) FROM {table}") for table in tables] == [0, 0, 0]
    with transaction(engine) as connection:
        moved = offsets.advance(connection, claim, 12)
        outcome = STORE.append(connection, rows(minutes=range(5000)), STORE.open_batch(connection, BATCH))
    assert moved.next_offset == 12
    assert outcome == Appended(5000, 0, 0, 0)


def test_no_look_up_reads_the_table_whole(engine: Engine) -> None:
    """However many rows there are, also when the planner has statistics."""
    tickers = ("AAPL", "MSFT", "SIM.A")
    append(engine, pl.concat([rows(ticker, range(9_000)) for ticker in tickers]))
    with transaction(engine) as connection:
        connection.execute(text("ANALYZE aggregated_data"))
    scans = "SELECT sum(seq_scan), sum(idx_scan) FROM pg_stat_xact_user_tables WHERE relname LIKE 'aggregated_data_%'"
    with transaction(engine) as connection:
        # What earlier transactions of the session did may still be counted: ANALYZE is.
        before = connection.execute(text(scans)).one()
        opened = STORE.open_batch(connection, BATCH)
        STORE.append(connection, known_later(rows(minutes=range(100), seed=1)), opened)
        STORE.append(connection, pl.concat([rows(ticker, range(9_000, 9_500)) for ticker in tickers]), opened)
        STORE.mark_served(connection, STORE.newest_rows(connection, tickers))
        after = connection.execute(text(scans)).one()
    assert after[0] == before[0]
    assert after[1] > before[1]
