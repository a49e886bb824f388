"""Producers of files as processes on a real broker: what lies in the topics is what pandas reads from the files."""

import gzip
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from infra.embedded.kafka import KafkaServer
from shared.contracts.facts import Filing, MacroVintage
from shared.contracts.runs import RunDeclared, TopicConfirmed, decode_run_event
from shared.contracts.topics import BARS_HISTORY, DEAD_LETTERS, FILINGS, MACRO, RUNS, TOPICS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.partitioner import partition_of
from shared.kafka.scan import read_topic
from shared.ports import Record
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually
from tests.conftest import running_kafka, temporary_home

PRICES = ["open", "high", "low", "close", "volume"]
KEY = ["ticker", "timestamp"]
pytestmark = pytest.mark.kafka

# A warning is a defect; these two are the libraries' own, as in pyproject.toml.
WARNINGS = (
    "error,ignore:websockets.legacy is deprecated:DeprecationWarning,"
    "ignore:Series.values returning an ndarray that drops timezone:DeprecationWarning"
)
KILLS = [
    "producers.stock.after_send=kill@1",
    "producers.stock.after_send=kill@7",
    "producers.stock.after_cursor=kill@1",
    "producers.stock.before_confirm=kill@1",
]


@dataclass
class House:
    """A broker of this module, and how to run producers on it."""

    kafka: KafkaSettings
    home: Path

    def run(self, *arguments: str, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
        """Return exit code, JSON lines and standard error of a producer that ends by itself."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ALPACA_", "FRED_", "KAFKA_", "TOPIC_"))}
        ours = {"KAFKA_BOOTSTRAP_SERVERS": self.kafka.kafka_bootstrap_servers, "TICKERSTREAM_HOME": str(self.home)}
        ours["PYTHONWARNINGS"] = WARNINGS
        done = subprocess.run(
            [sys.executable, "-m", "producers", *arguments, "--json"],
            env=inherited | ours | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def records(self, topic: str, run_id: str) -> list[Record]:
        return [r for r in read_topic(self.kafka, topic) if r.headers.get("run") == run_id.encode()]

    def bars(self, run_id: str) -> pd.DataFrame:
        """Every bar of a run on the topic, repetitions included, decoded without our code."""
        tables = [pa.ipc.open_stream(r.value).read_all() for r in self.records(BARS_HISTORY.name, run_id)]
        return pa.concat_tables(tables).to_pandas()

    def confirmed(self, run_id: str) -> TopicConfirmed:
        events = [decode_run_event(r.value) for r in read_topic(self.kafka, RUNS.name) if r.key == run_id.encode()]
        assert isinstance(events[0], RunDeclared)
        return next(e for e in reversed(events) if isinstance(e, TopicConfirmed))


@pytest.fixture(scope="module")
def house(jar_cache: Path) -> Iterator[House]:
    with temporary_home(jar_cache) as home, running_kafka(home) as server:
        kafka = KafkaSettings(kafka_bootstrap_servers=server.bootstrap_servers)
        KafkaAdmin(kafka, "tests").provision(TOPICS)
        yield House(kafka, home.root / "producers")


def made_bars(ticker: str, days: int, seed: int) -> pd.DataFrame:
    """Random valid bars in New York time with holes, on business days."""
    rng = np.random.default_rng(seed)
    sessions = pd.bdate_range("2025-02-24", periods=days)  # over a change of clocks
    times = pd.DatetimeIndex([d + pd.Timedelta(minutes=570 + m) for d in sessions for m in range(390)])
    count = len(times)
    frame = pd.DataFrame({"ticker": ticker, "timestamp": times.tz_localize("America/New_York").tz_convert("UTC")})
    frame["open"], frame["close"] = (rng.integers(900, 1100, (2, count)) / 100).tolist()
    frame["high"] = frame[["open", "close"]].max(axis=1).add(rng.integers(0, 50, count) / 100).round(2)
    frame["low"] = frame[["open", "close"]].min(axis=1).sub(rng.integers(0, 50, count) / 100).round(2)
    frame["volume"] = rng.integers(0, 10**6, count).astype(float)
    return frame[rng.random(count) < 0.8].reset_index(drop=True)


def write_folder(root: Path, seed: int, days: int = 12) -> pd.DataFrame:
    """Write bars in several shapes, repeated and disordered in part; return what they are."""
    root.mkdir()
    frames = [made_bars(ticker, days, seed + i) for i, ticker in enumerate(("AAA", "BBB", "CCC", "DDD", "EEE"))]
    naive = [f["timestamp"].dt.tz_convert("America/New_York").dt.tz_localize(None) for f in frames]
    first = frames[0].assign(datetime=naive[0])
    first[["datetime", *PRICES]].to_csv(root / "AAA_1min.csv.gz", index=False)
    again = pd.concat([frames[1], frames[1].head(100)]).sample(frac=1.0, random_state=seed)
    again[["timestamp", *PRICES]].to_csv(root / "BBB.csv", index=False)
    frames[2].assign(date=naive[2].dt.date, ToD=naive[2].dt.time)[["date", "ToD", *PRICES]].to_csv(
        root / "CCC.csv", index=False
    )
    frames[3].set_index(frames[3]["timestamp"].dt.tz_convert("US/Eastern"))[PRICES].to_parquet(root / "DDD.parquet")
    for day, part in frames[4].groupby(naive[4].dt.date):
        local = naive[4][part.index]
        zipped = pd.DataFrame({"ms": (local.dt.hour * 60 + local.dt.minute) * 60_000})
        zipped[PRICES] = part[PRICES].mul([10_000] * 4 + [1]).round()
        (root / "eee").mkdir(exist_ok=True)
        with zipfile.ZipFile(root / "eee" / f"{day:%Y%m%d}_trade.zip", "w") as archive:
            archive.writestr(f"{day:%Y%m%d}_eee_minute_trade.csv", zipped.astype(int).to_csv(index=False, header=False))
    return pd.concat(frames)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    found = found[[*KEY, *PRICES]].drop_duplicates().sort_values(KEY).reset_index(drop=True)
    expected = expected[[*KEY, *PRICES]].sort_values(KEY).reset_index(drop=True)
    found["timestamp"] = found["timestamp"].astype(expected["timestamp"].dtype)
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=False)


def stock(folder: Path) -> tuple[str, ...]:
    return ("stock", "--source", "files", "--bars", str(folder), "--timezone", "America/New_York")


def test_files_of_all_shapes_lie_in_the_topic_as_pandas_reads_them(house: House, tmp_path: Path) -> None:
    expected = write_folder(tmp_path / "bars", seed=1)

    code, lines, _ = house.run(*stock(tmp_path / "bars"))

    done = lines[-1]
    assert (code, done["event"]) == (0, "done")
    found = house.bars(done["run_id"])
    assert len(found) == len(expected) == done["published"]
    assert_same(found, expected)
    assert done["duplicates"] == 100
    assert done["bars_read"] == done["published"] + 100
    assert not done["resumed"]
    assert (found["known_at"] - found["timestamp"] == pd.Timedelta(minutes=1)).all()
    assert set(found["known_basis"]) == {"nominal"}
    records = house.records(BARS_HISTORY.name, done["run_id"])
    assert len(records) == done["records"]
    confirmed = house.confirmed(done["run_id"])
    assert (confirmed.topic, confirmed.duplicates, confirmed.rejected) == (BARS_HISTORY.name, 100, 0)
    for count in confirmed.partitions:
        here = [r for r in records if r.position.partition == count.partition]
        assert (count.records, count.rows) == (len(here), sum(int(r.headers["rows"]) for r in here))
        assert count.next_offset == here[-1].position.offset + 1
    for record in records:
        assert record.key is not None
        assert record.position.partition == partition_of(record.key, 6)
        assert record.headers["schema"] == b"bars/1.0"
        assert record.headers["simulated"] == b"0"
        bars = pa.ipc.open_stream(record.value).read_all().to_pandas()
        assert set(bars["ticker"]) == {record.key.decode()}
        assert len(set(bars["timestamp"].dt.strftime("%G-%V"))) == 1

    code, lines, _ = house.run(*stock(tmp_path / "bars"))
    assert code == 0
    assert lines[-1]["already_done"]
    assert lines[-1]["published"] == len(expected)
    assert len(house.bars(done["run_id"])) == len(expected)


@pytest.mark.parametrize("kill", KILLS)
def test_killed_producer_resumes_its_run_and_loses_nothing(house: House, tmp_path: Path, kill: str) -> None:
    expected = write_folder(tmp_path / "bars", seed=2)
    code, lines, _ = house.run(*stock(tmp_path / "bars"), TICKERSTREAM_FAILPOINTS=kill)
    assert code == -9
    assert not any(line["event"] == "done" for line in lines)

    code, lines, _ = house.run(*stock(tmp_path / "bars"))

    done = lines[-1]
    assert (code, done["event"]) == (0, "done")
    assert_same(house.bars(done["run_id"]), expected)
    confirmed = house.confirmed(done["run_id"])
    assert confirmed.attempt == 2
    assert sum(p.rows for p in confirmed.partitions) == len(expected) == done["published"]
    if "before_confirm" in kill:
        assert done["resumed"]
        assert len(house.bars(done["run_id"])) == len(expected)  # all was confirmed: nothing is sent twice


def test_broker_killed_while_a_run_is_published_loses_nothing(own_kafka: KafkaServer, tmp_path: Path) -> None:
    kafka = KafkaSettings(kafka_bootstrap_servers=own_kafka.bootstrap_servers)
    KafkaAdmin(kafka, "tests").provision(TOPICS)
    house = House(kafka, tmp_path / "home")
    expected = write_folder(tmp_path / "bars", seed=4, days=60)

    def kill_once_something_lies_there() -> None:
        eventually(lambda: sum(KafkaAdmin(kafka, "tests").end_offsets(BARS_HISTORY.name).values()), seconds=60)
        own_kafka.kill()
        own_kafka.start()

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_once_something_lies_there)
        code, lines, _ = house.run(*stock(tmp_path / "bars"))
        killing.result()
    own_kafka.wait_healthy()

    done = lines[-1]
    assert (code, done["published"]) == (0, len(expected))
    assert_same(house.bars(done["run_id"]), expected)


def test_broken_files_answer_in_one_line_each_and_the_rest_is_published(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    expected = write_folder(folder, seed=3, days=2)
    (folder / "empty.csv").write_text("")
    (folder / "LONE_header.csv").write_text("timestamp,open,high,low,close,volume\n")
    (folder / "wrong.csv").write_text("a,b\n1,2\n")
    whole = gzip.compress(expected.query("ticker == 'AAA'").to_csv(index=False).replace("AAA", "FFF").encode())
    (folder / "FFF.csv.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "GGG.csv").write_text(
        "timestamp,open,high,low,close,volume\n"
        "2025-02-24 14:30:00+00:00,10,11,9,10,-1\n2025-02-24 14:31:00+00:00,10,x,9,10,1\n"
        f"{'9' * 2_000_000}\n2025-02-24 14:33:00+00:00,10,11,9,10,1\n"
    )

    code, lines, err = house.run(*stock(folder))

    done = lines[-1]
    assert code == 1
    problems = {line["origin"]: line["text"] for line in lines if line["event"] == "problem"}
    assert problems.keys() == {"files:empty.csv", "files:wrong.csv", "files:FFF.csv.gz"}
    assert [line["origin"] for line in lines if line["event"] == "note"] == ["files:LONE_header.csv"]
    assert "Traceback" not in err
    found = house.bars(done["run_id"])
    assert_same(found[found["ticker"].isin(expected["ticker"])], expected)
    assert found["ticker"].value_counts()["GGG"] == 1
    assert done["rejected"] == 3
    assert done["bars_read"] == len(found) + 3 + done["duplicates"]
    letters = {
        (r.headers["topic"].decode(), int(r.headers["offset"])): r
        for r in read_topic(house.kafka, DEAD_LETTERS.name)
        if r.headers["topic"].startswith(b"files:") and b"GGG" in r.headers["topic"]
    }
    assert sorted(row for _, row in letters) == [1, 2, 3]
    assert letters["files:GGG.csv", 1].value == b"2025-02-24 14:30:00+00:00,10,11,9,10,-1"
    assert letters["files:GGG.csv", 3].headers["length"] == b"2000000"


def test_macro_and_filings_lie_in_their_topics(house: House, tmp_path: Path) -> None:
    (tmp_path / "UNRATE.csv").write_text("date,value\n2025-01-01,4.0\n2025-02-01,\n")
    pd.DataFrame(
        [
            {
                "symbol": "AAA",
                "date": "2024-09-28",
                "acceptedDate": "2024-11-01 06:01:36",
                "calendarYear": "2024",
                "period": "FY",
                "eps": 6.11,
            }
        ]
    ).to_parquet(tmp_path / "filings.parquet")

    code, lines, _ = house.run("macro", "--source", "files", "--macro", str(tmp_path / "UNRATE.csv"))
    assert (code, lines[-1]["published"]) == (0, 2)
    vintages = [MacroVintage.decode(r.value) for r in house.records(MACRO.name, lines[-1]["run_id"])]
    assert [(v.series, v.value) for v in vintages] == [("UNRATE", 4.0), ("UNRATE", None)]

    code, lines, _ = house.run("company", "--source", "files", "--fundamentals", str(tmp_path / "filings.parquet"))
    assert (code, lines[-1]["published"]) == (0, 1)
    (record,) = house.records(FILINGS.name, lines[-1]["run_id"])
    assert record.key == b"AAA"
    assert Filing.decode(record.value).statement["eps"] == 6.11


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("stock", "--source", "alpaca", "--start", "2025-01-02"), "ALPACA_API_KEY"),
        (("macro", "--source", "fred"), "FRED_API_KEY"),
        (("stock", "--source", "files"), "--bars"),
        (("macro", "--source", "files", "--macro", "x", "--live"), "--live"),
    ],
)
def test_missing_setting_is_one_line_and_exit_two(house: House, arguments: tuple[str, ...], says: str) -> None:
    code, lines, err = house.run(*arguments)
    assert (code, lines) == (2, [])
    assert says in err
    assert len(err.strip().splitlines()) == 1


def real_file(path: Path) -> pd.DataFrame:
    """Read one real file with pandas alone."""
    if path.suffix == ".zip":
        frame = pd.read_csv(path, header=None, names=["ms", *PRICES])
        day = pd.Timestamp(path.name[:8])
        frame["timestamp"] = (day + pd.to_timedelta(frame["ms"], unit="ms")).dt.tz_localize("America/New_York")
        frame[PRICES[:4]] = frame[PRICES[:4]] / 10_000
        return frame.assign(ticker=path.parent.name.upper())
    frame = pd.read_parquet(path).reset_index() if path.suffix == ".parquet" else pd.read_csv(path)
    if "ToD" in frame:
        frame["timestamp"] = pd.to_datetime(frame["date"] + " " + frame["ToD"])
    else:
        frame["timestamp"] = pd.to_datetime(frame[next(c for c in ("timestamp", "datetime", "date") if c in frame)])
    if frame["timestamp"].dt.tz is None:
        frame["timestamp"] = frame["timestamp"].dt.tz_localize("America/New_York")
    return frame.assign(ticker=path.name.split(".")[0].removesuffix("_1min"))


REAL_SETS = {
    "alert_overlay_1min": (1_019_714, 0),
    "fl4bb0_1min_2025-01": (881_159, 0),
    "fl4bb0_1min_2025-02": (864_759, 0),
    "stockbot_1min_2018": (515_347, 7_802),
    "nyannnnn_1min_parquet": (100_333, 0),
    "lean_minute_fixture": (21_258, 0),
}


@pytest.mark.parametrize("name", REAL_SETS)
def test_real_set_lies_in_the_topic_as_pandas_reads_it(house: House, name: str) -> None:
    """Only where TICKERSTREAM_REAL_SETS names a folder that has these sets below `bars`."""
    named = os.environ.get("TICKERSTREAM_REAL_SETS")
    if not named:
        pytest.skip("TICKERSTREAM_REAL_SETS names no folder")
    folder = Path(named) / "bars" / name
    files = [p for p in folder.rglob("*") if p.is_file() and p.name != "LICENSE" and not p.name.endswith("_quote.zip")]

    code, lines, _ = house.run(*stock(folder))

    done = lines[-1]
    assert (code, done["published"], done["duplicates"], done["rejected"]) == (0, *REAL_SETS[name], 0)
    expected = pd.concat([real_file(p)[[*KEY, *PRICES]] for p in files], ignore_index=True).drop_duplicates()
    expected["timestamp"] = pd.to_datetime(expected["timestamp"], utc=True)
    found = house.bars(done["run_id"])
    assert len(found) == len(expected)
    assert_same(found, expected)
