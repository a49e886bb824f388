"""Reading feature rows by ADBC: the revision that training gets, verification's revisions, digests, coverage."""

from datetime import timedelta

import polars as pl
import pytest
from sqlalchemy import Engine, text

from shared.errors import ConfigurationError, TransientError
from shared.settings import PostgresSettings
from shared.storage.adbc import read_batches, read_frame
from shared.storage.batches import Batch
from shared.storage.feature_reader import Coverage, FeatureReader, _digest
from shared.storage.feature_tables import STORED_COLUMNS
from shared.storage.postgres import make_engine, transaction
from shared.testing.eventually import eventually
from tests.shared.storage.feature_rows import (
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

LATER = Batch(SOURCE, 12, 13, 1, MADE_AT + MINUTE, "remake")
END = MONDAY + timedelta(days=9)


@pytest.fixture
def engine(engine: Engine) -> Engine:
    provisioned(engine)
    return engine


@pytest.fixture
def reader(engine: Engine) -> FeatureReader:
    return FeatureReader(engine)


def revise(engine: Engine, minutes: range, seed: int, hours: int = 1) -> pl.DataFrame:
    frame = known_later(rows(minutes=minutes, seed=seed), timedelta(hours=hours))
    append(engine, frame, batch=LATER)
    return frame


def serve(engine: Engine, minutes: range, revision: int) -> None:
    keys = rows(minutes=minutes).select("ticker", "timestamp", revision=pl.lit(revision, pl.Int32))
    with transaction(engine) as connection:
        assert STORE.mark_served(connection, keys) == len(minutes)


def test_training_rows_are_sorted_and_complete(engine: Engine, reader: FeatureReader) -> None:
    frame = rows(minutes=range(3000))
    append(engine, frame[1000:], rows("MSFT"), frame[:1000])
    found = reader.read_training_rows("AAPL")
    assert found.columns == [
        *("timestamp", "batch_id", "revision", "open", "close", "volume", "session", "simulated", "replayed"),
        *NAMES,
    ]
    assert found.select("timestamp", "close", "volume", "session", *NAMES).equals(
        frame.select("timestamp", "close", "volume", "session", *NAMES)
    )
    assert found.schema["x0"] == pl.Float32
    assert found.schema["timestamp"] == STORED_COLUMNS["timestamp"]


def test_training_reads_what_was_served_else_the_newest(engine: Engine, reader: FeatureReader) -> None:
    first = rows(minutes=range(6))
    append(engine, first)
    serve(engine, range(3, 4), 1)
    second = revise(engine, range(1, 6), seed=7)
    serve(engine, range(3, 5), 2)  # 3 was served twice: the first answer counts
    third = revise(engine, range(4, 6), seed=8, hours=2)

    found = reader.read_training_rows("AAPL", SET)
    assert found["revision"].to_list() == [1, 2, 2, 1, 2, 3]
    wanted = pl.concat([first[:1], second[:2], first[3:4], second[3:4], third[1:]])
    assert found.select(NAMES).equals(wanted.select(NAMES))
    assert found["batch_id"].rank("dense").to_list() == [1, 2, 2, 1, 2, 3]


def test_some_columns_are_read_alone_and_unknown_ones_refused(engine: Engine, reader: FeatureReader) -> None:
    append(engine, rows())
    assert reader.read_training_rows("AAPL", SET, ["x5", "x2"]).columns[-2:] == ["x5", "x2"]
    with pytest.raises(ConfigurationError, match="has no zz"):
        reader.read_training_rows("AAPL", SET, ["x1", "zz"])
    with pytest.raises(ConfigurationError, match="feature set nope"):
        reader.read_training_rows("AAPL", "nope")


def test_ticker_without_rows_has_an_empty_frame(reader: FeatureReader) -> None:
    found = reader.read_training_rows("NOPE")
    assert found.height == 0
    assert found.schema["x6"] == pl.Float32
    assert reader.coverage() == []


def test_name_that_is_no_ticker_is_refused(reader: FeatureReader) -> None:
    with pytest.raises(ConfigurationError, match="not a ticker"):
        reader.read_training_rows("A' OR 'x'='x")


def test_every_revision_is_there_for_verification(engine: Engine, reader: FeatureReader) -> None:
    first = rows(minutes=range(6))
    append(engine, first)
    second = revise(engine, range(2, 3), seed=7)
    found = reader.revisions("AAPL", SET, MONDAY + MINUTE, MONDAY + 5 * MINUTE)
    assert found.columns == [*STORED_COLUMNS, *NAMES]
    assert found["revision"].to_list() == [1, 1, 2, 1, 1]
    assert found["superseded_at"].to_list() == [None, LATER.made_at, None, None, None]
    assert found[2].select(NAMES).equals(second.select(NAMES))


def test_coverage_counts_bars_and_revisions(engine: Engine, reader: FeatureReader) -> None:
    append(engine, rows(minutes=range(6)), rows("SIM.A", range(2)))
    revise(engine, range(2, 4), seed=7)
    assert reader.coverage(SET) == [
        Coverage("AAPL", 6, 8, MONDAY, MONDAY + 5 * MINUTE),
        Coverage("SIM.A", 2, 2, MONDAY, MONDAY + MINUTE),
    ]


def test_digest_is_of_the_newest_values_alone(engine: Engine, reader: FeatureReader) -> None:
    append(engine, rows(minutes=range(9)))
    before = reader.rows_digest("AAPL")
    changed = revise(engine, range(4, 5), seed=3)
    after = reader.rows_digest("AAPL", SET)
    assert before != after

    with transaction(engine) as connection:
        connection.execute(text("TRUNCATE aggregated_data"))
    same = rows(minutes=range(9)).update(changed, on=["ticker", "timestamp"], include_nulls=True)
    append(engine, same[7:], batch=LATER)
    append(engine, same[:7])
    assert reader.rows_digest("AAPL") == after


def test_digest_does_not_depend_on_how_rows_come_in_batches() -> None:
    table = rows(minutes=range(400)).to_arrow()
    digests = {_digest(table.to_batches(max_chunksize=size), NAMES) for size in (1, 7, 399, 400)}
    assert len(digests) == 1


def test_digest_changes_with_every_part_of_a_row(engine: Engine, reader: FeatureReader) -> None:
    append(engine, rows(minutes=range(400)))
    bits = [reader.rows_digest("AAPL")]
    for column, value in (("x0", "1.5"), ("close", "1.5"), ("session", "'regular'"), ("as_of", "now()")):
        with transaction(engine) as connection:
            stamp = MONDAY + 70 * MINUTE  # an extended one
            update = f'UPDATE aggregated_data SET {column} = {value} WHERE "timestamp" = :stamp'
            assert connection.execute(text(update), {"stamp": stamp}).rowcount == 1
        bits.append(reader.rows_digest("AAPL"))
    assert len(set(bits)) == len(bits)


def test_nothing_is_sorted_for_a_tickers_history(engine: Engine) -> None:
    append(engine, rows(minutes=range(500)), rows("MSFT", range(500)))
    plan = f"""EXPLAIN SELECT "timestamp", x0 FROM aggregated_data WHERE feature_set = '{SET}' AND ticker = 'AAPL'
        AND (superseded_at IS NULL OR served) ORDER BY "timestamp", revision"""
    with transaction(engine) as connection:
        for switch in ("enable_sort", "enable_seqscan", "enable_bitmapscan"):
            connection.execute(text(f"SET LOCAL {switch} = off"))
        lines = "\n".join(connection.execute(text(plan)).scalars())
    assert "Index Scan" in lines
    assert "Sort" not in lines
    assert lines.count("aggregated_data_") == 2  # one partition and its index


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"postgres_port": 1}, TransientError, "POSTGRES_HOST and POSTGRES_PORT"),
        ({"postgres_db": "no_such_database"}, ConfigurationError, "POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB"),
    ],
)
def test_server_that_cannot_be_reached_says_who_acts(
    database: PostgresSettings, change: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        read_frame(make_engine(database.model_copy(update=change)), "SELECT 1")


def test_read_that_is_cut_midway_is_transient(engine: Engine) -> None:
    query = "SELECT n, pg_backend_pid() AS pid, repeat('x', 5000) AS text FROM generate_series(1, 20000) n"
    with pytest.raises(TransientError), read_batches(engine, query) as reader:
        pid = next(reader)["pid"][0].as_py()
        with transaction(engine) as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        list(reader)


def test_missing_table_and_slow_query_say_who_acts(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=r"infra\.provision"):
        read_frame(engine, "SELECT * FROM no_such_table")
    with pytest.raises(TransientError, match="timeout"):
        read_frame(engine, "SELECT pg_sleep(30)", {"statement_timeout": "100"})


def test_reader_that_is_silent_lets_go_of_its_locks_and_keeps_what_came(
    database: PostgresSettings, engine: Engine
) -> None:
    impatient = make_engine(database.model_copy(update={"postgres_idle_seconds": 0.5}))
    settings = "pg_backend_pid() AS pid, current_setting('statement_timeout') AS statement"

    def gone(pid: int) -> bool:
        with transaction(engine) as connection:
            sessions = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
            return connection.execute(sessions, {"pid": pid}).scalar_one() == 0

    with read_batches(impatient, f"SELECT {settings}, n FROM generate_series(1, 9) n") as reader:
        rows = next(reader).to_pylist()
        eventually(lambda: gone(rows[0]["pid"]))
        rows += [row for batch in reader for row in batch.to_pylist()]
    assert [row["n"] for row in rows] == list(range(1, 10))
    assert rows[0]["statement"] == "10min"
