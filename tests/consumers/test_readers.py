"""Any Parquet reader opens the lake by its glob, without our code, and agrees with sums made from the messages."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from consumers.handler import LakeHandler
from consumers.kinds import kind_of
from consumers.merging import LakeWriter
from shared.ports import Record
from shared.settings import KafkaSettings
from shared.storage.folder import FolderStore
from tests.consumers.making import INGESTED, bar, encoded, filing, record, seen

WEEKS, TICKERS, MINUTES = 3, ("AAPL", "BRK.B", "SIM.A"), 200


def land(folder: Path, name: str, records: Sequence[Record]) -> str:
    """Put the records into a lake in `folder`; return the glob of its objects."""
    kind, store = kind_of(name, KafkaSettings.load()), FolderStore(folder)
    store.ensure_bucket(kind.dataset.bucket)
    with ThreadPoolExecutor(2) as executor:
        handler = LakeHandler(kind, LakeWriter(store, kind.dataset, "tests"), executor, "tests")
        for one in records:
            assert not handler.handle(one).rejected
        handler.flush()
    return str(folder / kind.dataset.bucket / "**" / "*.parquet")


def files_of(glob: str) -> list[Path]:
    """The files that a glob names, for what takes them one by one."""
    folder, stars, rest = glob.partition("**")
    return sorted(Path(folder).glob(stars + rest))


def truth() -> dict[tuple[str, Any], float]:
    """The close that is true in the end, of each bar."""
    closes = {}
    for ticker in TICKERS:
        for week in range(WEEKS):
            for minute in range(MINUTES):
                stamp = bar(minute=week * 10080 + minute)["timestamp"]
                closes[ticker, stamp] = 50.0 + minute / 7 + week + (1.0 if minute % 50 == 0 else 0.0)
    return closes


@pytest.fixture(scope="module")
def stock_glob(tmp_path_factory: pytest.TempPathFactory) -> str:
    records = []
    for ticker in TICKERS:
        simulated = ticker.startswith("SIM.")
        for week in range(WEEKS):
            rows = [
                bar(ticker, week * 10080 + minute, 50.0 + minute / 7 + week, simulated=simulated)
                for minute in range(MINUTES)
            ]
            corrected = [row | {"close": row["close"] + 1.0} for row in rows[::50]]
            live = [seen(row, 1) for row in rows[1:10]]
            for n, part in enumerate((rows, corrected, live)):
                records.append(record(ticker, encoded(part), ingested=INGESTED + n * timedelta(days=1)))
    return land(tmp_path_factory.mktemp("lake"), "stock", records)


def as_truth(rows: Sequence[tuple[str, Any, float]]) -> dict[tuple[str, Any], float]:
    assert len({row[:2] for row in rows}) == len(rows)
    return {(ticker, stamp): close for ticker, stamp, close in rows}


def test_duckdb_reads_the_bars(stock_glob: str) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute(f"select ticker, timestamp, close from '{stock_glob}' where current").fetchall()
        everything = connection.execute(f"select count(*) from '{stock_glob}'").fetchall()

    assert as_truth(rows) == truth()
    assert everything == [(len(TICKERS) * WEEKS * (MINUTES + 4 + 9),)]


def test_pandas_reads_the_bars(stock_glob: str) -> None:
    frame = pd.concat(map(pd.read_parquet, files_of(stock_glob)))
    current = frame[frame["current"]]

    assert as_truth(list(zip(current["ticker"], current["timestamp"], current["close"], strict=True))) == truth()
    assert str(frame["timestamp"].dtype) == "datetime64[us, UTC]"


def test_polars_reads_the_bars(stock_glob: str) -> None:
    current = pl.scan_parquet(stock_glob).filter("current").select("ticker", "timestamp", "close").collect()

    assert as_truth(current.rows()) == truth()


def test_what_was_known_at_an_instant_is_one_filter(stock_glob: str) -> None:
    """As of a minute after its close, a bar that is corrected later shows its first value."""
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(
            f"""select arg_max(close, known_at) from '{stock_glob}'
            where known_at <= timestamp + interval 2 minutes and ticker = 'AAPL' group by timestamp"""
        ).fetchall()

    assert sorted(value for (value,) in found) == sorted(
        50.0 + minute / 7 + week for week in range(WEEKS) for minute in range(MINUTES)
    )


def test_files_are_plain_sorted_and_carry_statistics_and_lineage(stock_glob: str) -> None:
    for path in files_of(stock_glob):
        file = pq.ParquetFile(path)
        kinds = {field.name: str(field.type) for field in file.schema_arrow}
        assert kinds["timestamp"] == kinds["known_at"] == kinds["ingested_at"] == "timestamp[us, tz=UTC]"
        assert {kinds[name] for name in ("open", "close", "volume", "vwap")} == {"double"}
        assert kinds["ticker"] in ("string", "large_string")
        assert (kinds["trade_count"], kinds["current"]) == ("int64", "bool")
        group = file.metadata.row_group(0)
        columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
        assert {column.compression for column in columns.values()} == {"ZSTD"}
        stamps = file.read(["timestamp"])["timestamp"].to_pylist()
        assert stamps == sorted(stamps)
        assert columns["timestamp"].statistics.min == stamps[0]
        assert columns["timestamp"].statistics.max == stamps[-1]
        assert b"tickerstream.lineage" in file.metadata.metadata


def test_every_reader_sees_filings_of_several_shapes(tmp_path: Path) -> None:
    shapes = [
        filing(), filing(period="Q1", eps="n/a", extra=1.5), filing(symbol="MSFT", calendarYear=2023, audited="yes"),
    ]  # fmt: skip
    glob = land(tmp_path, "company", [record(s["symbol"], json.dumps(s).encode()) for s in shapes])
    expected = [("AAPL", "FY", 391035000000.0), ("AAPL", "Q1", 391035000000.0), ("MSFT", "FY", 391035000000.0)]

    with duckdb.connect(":memory:") as connection:
        relation = f"read_parquet('{glob}', union_by_name = true)"
        by_duckdb = connection.execute(f"select symbol, period, revenue from {relation}").fetchall()
    by_pandas = pd.concat(map(pd.read_parquet, files_of(glob)))
    by_polars = pl.concat(map(pl.read_parquet, files_of(glob)), how="diagonal_relaxed")

    assert sorted(by_duckdb) == expected
    assert sorted(zip(by_pandas["symbol"], by_pandas["period"], by_pandas["revenue"], strict=True)) == expected
    assert sorted(by_polars.select("symbol", "period", "revenue").rows()) == expected
