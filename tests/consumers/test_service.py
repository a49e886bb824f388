"""Whole consumers on a real broker: history and live bars, corrections, dead letters, outages, restarts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from infra.embedded.kafka import KafkaServer
from shared.contracts.bars import decode_bars
from shared.contracts.topics import TOPICS
from shared.errors import ContractError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.ports import Outgoing
from shared.settings import KafkaSettings
from shared.storage.lake import open_store
from shared.testing.eventually import eventually
from shared.testing.faults import Fault
from shared.testing.faulty_proxy import faulty_proxy
from shared.testing.s3_server import lake_settings, s3_server
from tests.consumers.landing import Landing, landing
from tests.consumers.making import MINUTE, MONDAY, bar, bars, dividend, encoded, filing, seen, vintage

pytestmark = pytest.mark.kafka
Land = Callable[..., AbstractContextManager[Landing]]


@pytest.fixture
def land(kafka: str, tmp_path: Path) -> Land:
    def start(name: str = "stock", **settings: Any) -> AbstractContextManager[Landing]:
        return landing(kafka, name, tmp_path, **settings)

    return start


def all_committed(one: Landing) -> bool:
    return one.committed() == one.ends


def test_history_is_in_the_lake_once_the_topic_is_quiet(land: Land) -> None:
    with land() as one, one.running():
        one.send("h_alpaca", "AAPL", encoded(bars(minutes=range(300))))
        one.send("h_alpaca", "MSFT", encoded(bars("MSFT", range(7 * 1440 - 5, 7 * 1440 + 5))))

        eventually(partial(all_committed, one))

        expected = sorted((b["ticker"], b["timestamp"], b["volume"], b["known_at"]) for b in bars(minutes=range(300)))
        expected += [("MSFT", MONDAY + n * MINUTE, float(n), MONDAY + (n + 1) * MINUTE) for n in range(10075, 10085)]
        assert sorted(one.rows('ticker, "timestamp", volume, known_at')) == [
            (ticker, stamp.replace(tzinfo=UTC), volume, known.replace(tzinfo=UTC))
            for ticker, stamp, volume, known in expected
        ]
        assert one.beat["state"] == "running"


def test_live_bars_join_the_weeks_object_within_the_flush_time_on_a_quiet_topic(land: Land) -> None:
    with land(lake_flush_seconds=2) as one, one.running():
        one.send("h_alpaca", "AAPL", encoded(bars(minutes=range(10))))
        eventually(partial(all_committed, one))

        for n in range(10, 13):
            one.send("stock_bars", "AAPL", encoded([seen(bar(minute=n), 1)]))
        eventually(partial(all_committed, one), seconds=30)

        assert len(one.rows()) == 13
        assert len(list((one.folder / "lake" / "stock-data").glob("**/*.parquet"))) == 1


def test_live_bars_wait_to_be_written_together(land: Land) -> None:
    with land(lake_flush_seconds=600) as one:
        with one.running():
            for n in range(3):
                one.send("stock_bars", "AAPL", encoded([seen(bar(minute=n), 1)]))
            eventually(lambda: one.beat.get("counters", {}).get("records") == 3)
            assert one.rows() == []
        assert len(one.rows()) == 3, "stopping writes what waits"
        assert all_committed(one)


def test_late_doubled_and_corrected_bars_are_versions(land: Land) -> None:
    first, second = encoded([bar(close=100.0)]), encoded([bar(close=101.0)])
    with land() as one, one.running():
        one.send("h_alpaca", "AAPL", encoded([bar(minute=5)])).send("h_alpaca", "AAPL", first)
        one.send("stock_bars", "AAPL", encoded([seen(bar(close=100.0), 2)]))
        one.send("h_alpaca", "AAPL", first).send("h_alpaca", "AAPL", second).send("h_alpaca", "AAPL", second)
        eventually(partial(all_committed, one))

        found = one.rows("close, known_basis, known_at, ingested_at, current", f'minute("timestamp") = {MONDAY.minute}')

    by_known = sorted(found, key=lambda row: row[2])
    assert [(close, basis, current) for close, basis, _, _, current in by_known] == [
        (100.0, "nominal", False),
        (100.0, "observed", False),
        (101.0, "nominal", True),
    ]
    assert by_known[0][2] == MONDAY + MINUTE
    assert by_known[1][2] == MONDAY + MINUTE + timedelta(seconds=2)
    assert by_known[2][2] == by_known[2][3] > datetime(2026, 1, 1, tzinfo=UTC), "known from its first ingestion"


def test_restarted_consumer_goes_on_and_reading_all_again_changes_no_byte(land: Land) -> None:
    with land() as one:
        with one.running():
            one.send("h_alpaca", "AAPL", encoded(bars()))
            eventually(partial(all_committed, one))
        with one.running():
            one.send("h_alpaca", "AAPL", encoded(bars(minutes=range(3, 8))))
            eventually(partial(all_committed, one))
        before = {path: path.read_bytes() for path in (one.folder / "lake").glob("**/*.parquet")}
        assert len(one.rows()) == 8

        one.kind = type(one.kind)(
            one.kind.dataset, one.kind.topics, f"{one.kind.group}-again", one.kind.decode, one.kind.live_topics
        )
        with one.running():
            eventually(partial(all_committed, one))
        assert {path: path.read_bytes() for path in (one.folder / "lake").glob("**/*.parquet")} == before


def test_what_cannot_land_is_a_dead_letter_with_reason_and_origin(land: Land) -> None:
    garbage, bad_row, wrong_key = b"garbage", encoded([bar(volume=-1.0), bar(minute=1)]), encoded(bars("MSFT"))
    with land() as one, one.running():
        for key, value in (("AAPL", garbage), ("AAPL", bad_row), ("AAPL", wrong_key), (None, encoded(bars()))):
            one.send("h_alpaca", key, value)
        one.send("h_alpaca", "AAPL", encoded([bar(minute=2)]), {"schema": b"recipe/1.0"})
        eventually(partial(all_committed, one))

        letters = {(letter.partition, letter.offset): letter for letter in one.letters()}

    origins = [(at.partition, at.offset) for at in one.sent]
    found = [letters[origin] for origin in origins]
    assert [(letter.error_class, letter.rows) for letter in found] == [
        ("bad_arrow", 0), ("bad_row", 1), ("wrong_key", 5), ("wrong_key", 5), ("wrong_schema", 0),
    ]  # fmt: skip
    assert found[0].value == garbage
    assert found[1].reason == "volume is negative"
    assert decode_bars(found[1].value)["volume"].to_list() == [-1.0]
    assert found[2].key == b"AAPL"
    assert [row[0] for row in one.rows("volume")] == [1.0], "the good row of the message with a bad one"


def test_newer_schema_stops_the_consumer_before_it(land: Land) -> None:
    with land() as one:
        one.send("h_alpaca", "AAPL", encoded(bars()), {"schema": b"bars/2.0"})
        with one.consuming() as failures:
            eventually(lambda: failures)

    assert isinstance(failures[0], ContractError)
    assert "bars/2.0" in str(failures[0])
    assert (one.committed(), one.rows()) == ({}, [])


def test_json_facts_land_with_every_version(land: Land, tmp_path: Path) -> None:
    with land("macro") as one, one.running():
        for value in (23542.3, 23542.349, 23542.3):
            one.send("h_macrodata", "GDPC1", json.dumps(vintage(value=value)).encode())
        one.send("h_macrodata", "UNRATE", json.dumps(vintage(series="UNRATE", value=None)).encode())
        eventually(partial(all_committed, one))

        released = datetime(2025, 1, 30, 13, 30, tzinfo=UTC)
        found = one.rows("series, date, value, released_at, known_at = released_at, current")

    assert sorted(found, key=repr) == sorted(
        [
            ("GDPC1", date(2024, 10, 1), 23542.3, released, True, False),
            ("GDPC1", date(2024, 10, 1), 23542.349, released, False, True),
            ("UNRATE", date(2024, 10, 1), None, released, True, True),
        ],
        key=repr,
    )


def test_filings_of_other_shapes_are_read_together(land: Land) -> None:
    with land("company") as one, one.running():
        one.send("h_company", "AAPL", json.dumps(filing()).encode())
        one.send("h_company", "AAPL", json.dumps(filing(period="Q1", eps="n/a", extra=1)).encode())
        one.send("h_company", "MSFT", json.dumps(filing(symbol="MSFT", calendarYear=2023)).encode())
        eventually(partial(all_committed, one))

        assert sorted(one.rows("symbol, period, eps::varchar, extra, current"), key=repr) == [
            ("AAPL", "FY", "6.11", None, True),
            ("AAPL", "Q1", "n/a", 1.0, True),
            ("MSFT", "FY", "6.11", None, True),
        ]


def test_corporate_actions_land(land: Land) -> None:
    split = {"action": "split", "amount": None, "ratio": 4.0}
    with land("actions") as one, one.running():
        one.send("corporate_actions", "AAPL", json.dumps(dividend()).encode())
        one.send("corporate_actions", "AAPL", json.dumps(dividend(label="special", amount=1.0)).encode())
        one.send("corporate_actions", "AAPL", json.dumps(dividend(**split)).encode())
        eventually(partial(all_committed, one))

        assert sorted(one.rows("action, label, amount, ratio, current"), key=repr) == [
            ("dividend", "", 0.25, None, True),
            ("dividend", "special", 1.0, None, True),
            ("split", "", None, 4.0, True),
        ]


@pytest.fixture(scope="module")
def s3_port() -> Iterator[int]:
    with s3_server() as port:
        yield port


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.FULL_507])
def test_outage_of_the_store_pauses_loses_nothing_and_commits_nothing_early(
    land: Land, s3_port: int, fault: Fault
) -> None:
    with land() as one, faulty_proxy(s3_port) as proxy:
        store = open_store(lake_settings(proxy.port, timeout_seconds=0.5, retry_seconds=0.5))
        ticker = f"OUT{fault.name[-3:]}"
        with one.running(store):
            one.send("h_alpaca", ticker, encoded(bars(ticker)))
            eventually(partial(all_committed, one))
            before = one.committed()

            proxy.plan.always["PUT"] = fault
            one.send("h_alpaca", ticker, encoded(bars(ticker, range(5, 9))))
            eventually(lambda: one.beat["state"] == "paused")
            assert one.beat["detail"]
            assert one.committed() == before

            proxy.plan.always.clear()
            eventually(partial(all_committed, one))
            eventually(lambda: one.beat["state"] == "running")

        healthy = open_store(lake_settings(s3_port))
        stored = healthy.get("stock-data", f"{ticker}/2025/01/{ticker}_2025-W02.parquet")
        assert stored is not None
        path = one.folder / "found.parquet"
        path.write_bytes(stored.data)
        assert len(one_file(path)) == 9


def one_file(path: Path) -> list[Any]:
    with duckdb.connect(":memory:") as connection:
        return connection.execute(f"select distinct volume from '{path}'").fetchall()


def test_store_that_is_down_at_the_start_is_waited_for(land: Land, s3_port: int) -> None:
    with land() as one, faulty_proxy(s3_port) as proxy:
        proxy.plan.always |= dict.fromkeys(("GET", "PUT", "HEAD"), Fault.BUSY_503)
        store = open_store(lake_settings(proxy.port, timeout_seconds=0.5, retry_seconds=0.3))
        with one.running(store):
            eventually(lambda: one.beat.get("state") == "paused")
            proxy.plan.always.clear()
            eventually(lambda: one.beat["state"] == "running")


def test_two_consumers_of_one_group_share_the_work_and_a_third_group_races_them(land: Land) -> None:
    with land() as one, one.running(), one.consuming() as second:
        third = type(one)(**{**vars(one), "kind": _other_group(one)})
        with third.consuming() as failures:
            for n in range(40):
                ticker = f"T{n % 4}"
                one.send("h_alpaca", ticker, encoded([bar(ticker, n)]))
            eventually(partial(all_committed, one), seconds=40)
            eventually(partial(all_committed, third), seconds=40)

        assert not failures
        assert not second
        assert sorted(one.rows("ticker, volume")) == sorted((f"T{n % 4}", float(n)) for n in range(40))


def _other_group(one: Landing) -> Any:
    kind = one.kind
    return type(kind)(kind.dataset, kind.topics, f"{kind.group}-other", kind.decode, kind.live_topics)


def run_consumer(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "consumers", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_process_lands_bars_and_stops_cleanly_on_sigterm(own_kafka: KafkaServer, tmp_path: Path) -> None:
    kafka = KafkaSettings.load(kafka_bootstrap_servers=own_kafka.bootstrap_servers)
    KafkaAdmin(kafka).provision(TOPICS)
    with KafkaWriter(kafka, "tests") as writer:
        writer.send(Outgoing("stock_bars", b"AAPL", encoded([seen(bar(), 1)])))
        writer.flush(20)
    beat = tmp_path / "beat.json"
    process = run_consumer(
        ["stock"],
        KAFKA_BOOTSTRAP_SERVERS=own_kafka.bootstrap_servers,
        LAKE_URL=f"file://{tmp_path}/lake",
        LAKE_FLUSH_SECONDS="3600",
        HEARTBEAT_FILE=str(beat),
    )
    with process:
        eventually(lambda: beat.exists() and json.loads(beat.read_text())["counters"].get("records") == 1, seconds=40)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=40)

    assert process.returncode == 0, output
    assert json.loads(beat.read_text())["state"] == "stopped"
    assert [p.name for p in (tmp_path / "lake").glob("**/*.parquet")] == ["AAPL_2025-W02.parquet"]
    committed = KafkaAdmin(kafka).committed("lake-stock", ["stock_bars"])
    assert sorted(committed.values()) == [1]


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (["--help"], {}, 0, "stock,actions,macro,company"),
        (["bonds"], {}, 2, "invalid choice"),
        (["stock"], {"LAKE_FLUSH_SECONDS": "soon"}, 2, "LAKE_FLUSH_SECONDS"),
        (["stock"], {"LAKE_URL": "ftp://x"}, 2, "LAKE_URL"),
        (["predictions"], {"REJECT_SHARE_MAX": "2"}, 2, "REJECT_SHARE_MAX"),
    ],
)
def test_process_that_is_misused_says_so_in_its_exit_code(
    arguments: list[str], environment: dict[str, str], code: int, said: str
) -> None:
    with run_consumer(arguments, **environment) as process:
        output, _ = process.communicate(timeout=60)

    assert process.returncode == code, output
    assert said in output
    assert "Traceback" not in output
