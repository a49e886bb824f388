"""The whole way on a real stack: what was written is in the lake, once."""

import json
from pathlib import Path

import duckdb

from tests.cli.conftest import Demo
from tests.cli.source_csv import NAIVE_ZONE, TICKERS


def test_demo_of_files_accounts_for_every_row(demo: Demo) -> None:
    report, source = demo.of_files, demo.source
    assert (report["lost"], report["duplicated"], report["verified"]) == (0, 0, True)
    assert report["simulated"] is False
    assert report["tickers"] == len(TICKERS)
    assert report["bars_read"] == source.rows
    assert report["bars_duplicate"] == source.repeated
    assert report["bars_rejected"] == source.bad
    assert report["bars_published"] == report["lake_rows"] == source.different
    assert report["lake_objects"] == len(TICKERS)  # one week


def test_demo_reports_time_rate_and_memory(demo: Demo) -> None:
    report = demo.of_files
    stages = {
        "start",
        "publish",
        "lake",
        "publish_and_lake",
        "verify",
        "features",
        "train",
        "first_prediction",
        "total",
    }
    assert set(report["seconds"]) == stages
    assert report["bars_per_second"] > 0
    processes = {"kafka", "postgres", "mongo", "consumers-stock", "consumers-macro", "producers-stock"}
    assert processes <= set(report["peak_rss_mib"])
    assert all(peak > 1 for peak in report["peak_rss_mib"].values())
    assert report["peak_together_mib"] > report["peak_rss_mib"]["kafka"]


def test_simulated_demo_lands_bars_facts_and_truth_of_its_own(demo: Demo) -> None:
    report = demo.simulated
    assert (report["lost"], report["duplicated"], report["verified"]) == (0, 0, True)
    assert report["simulated"] is True
    assert report["tickers"] == 3
    assert report["bars_published"] == report["lake_rows"] > 3 * 4 * 200
    assert report["facts"]["macro-data"] > 0
    assert report["facts"]["company-fundamentals"] > 0


def test_demo_run_again_publishes_nothing_and_proves_again(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "again.json"
    bars = ("--bars", str(demo.source.folder), "--timezone", NAIVE_ZONE)
    result = demo.command("demo", "--once", "--until", "lake", *bars, "--report", str(file))
    assert result.exit_code == 0, result.output
    report = json.loads(file.read_text())
    assert report["already_done"] is True
    assert (report["lost"], report["lake_rows"]) == (0, demo.source.different)
    assert report["bars_per_second"] is None


def test_demo_leaves_a_stack_up_that_was_up_before(demo: Demo) -> None:
    assert demo.command("status").exit_code == 0


def test_lake_read_by_duckdb_has_what_was_written(demo: Demo) -> None:
    glob = f"{demo.addresses.home.lake}/stock-data/*/*/*/*.parquet"
    found = duckdb.sql(
        f"""SELECT ticker, count(*), count(DISTINCT "timestamp") FROM read_parquet('{glob}')
            WHERE "current" AND ticker IN {TICKERS} GROUP BY ticker ORDER BY ticker"""
    ).fetchall()
    a_ticker = demo.source.different // len(TICKERS)
    assert found == [(ticker, a_ticker, a_ticker) for ticker in TICKERS]


def test_demo_without_such_a_folder_says_so_before_anything_starts(demo: Demo) -> None:
    result = demo.command("demo", "--once", "--bars", "no/such/folder")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
