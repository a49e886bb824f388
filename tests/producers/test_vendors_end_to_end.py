"""The producers as processes between the vendors' servers and a real broker: all that was served lies in the topics."""

import io
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, MACRO, TOPICS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.scan import read_topic
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually
from shared.testing.vendor_alpaca import KEY, SECRET, AlpacaApi, RawBar, made_bar, made_bars
from shared.testing.vendor_api import Cut, Reply, Reset
from shared.testing.vendor_fred import KEY as FRED_KEY
from shared.testing.vendor_fred import Event, FredApi
from shared.testing.vendor_stream import AlpacaStream
from tests.conftest import running_kafka, temporary_home

FIELDS = ("open", "high", "low", "close", "volume", "trade_count", "vwap")
START, END = date(2023, 12, 18), date(2024, 1, 31)


@dataclass
class House:
    """A broker of this module, and how to start producers on it."""

    kafka: KafkaSettings
    home: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ALPACA_", "FRED_", "KAFKA_"))}
        ours = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.kafka_bootstrap_servers,
            "TICKERSTREAM_HOME": str(self.home),
            "PYTHONWARNINGS": "error,ignore:websockets.legacy is deprecated:DeprecationWarning,"
            "ignore:Series.values returning an ndarray that drops timezone:DeprecationWarning",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "producers", *arguments, "--json"],
            env=inherited | ours | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
        """Return exit code, last JSON line and standard error of a producer that ends by itself."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        lines = [json.loads(line) for line in out.splitlines()]
        return process.returncode, lines[-1] if lines else {}, err

    def bars(self, topic: str) -> Counter[tuple[Any, ...]]:
        """Return the bars in a topic, by how often they lie there; read by pyarrow alone."""
        found: Counter[tuple[Any, ...]] = Counter()
        for record in read_topic(self.kafka, topic):
            for row in pa.ipc.open_stream(io.BytesIO(record.value or b"")).read_all().to_pylist():
                assert (record.key or b"").decode() == row["ticker"]
                time = row["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ")
                found[row["ticker"], time, *(row[name] for name in FIELDS)] += 1
        return found

    def confirmed_units(self, producer: str) -> set[str]:
        """Return the units that a producer's cursors on disk hold as finished: on a slow disk, not the newest."""
        files = (self.home / "state" / "producers").glob(f"*.{producer}.json")
        return {unit for file in files for unit in json.loads(file.read_text()).get("units", ())}

    def facts(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in read_topic(self.kafka, topic)]


@pytest.fixture(scope="module")
def house(jar_cache: Path) -> Iterator[House]:
    with temporary_home(jar_cache) as home, running_kafka(home) as server:
        settings = KafkaSettings.load(kafka_bootstrap_servers=server.bootstrap_servers, kafka_partitions=3)
        KafkaAdmin(settings).provision(TOPICS)
        yield House(settings, home.root / "producers")


def row_of(ticker: str, bar: RawBar) -> tuple[Any, ...]:
    return ticker, bar["t"], *(float(bar[key]) for key in "ohlcv"), bar["n"], bar["vw"]


def alpaca(api: AlpacaApi) -> dict[str, str]:
    return {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET, "ALPACA_DATA_URL": api.url}


@pytest.mark.kafka
def test_alpacas_history_is_published_once_though_it_is_killed_and_the_server_fails(house: House) -> None:
    truth = {ticker: made_bars(ticker, START, END) for ticker in ("AAPL", "KO")}
    rates = {"symbol": "KO", "process_date": "2024-01-10", "ex_date": "2024-01-09"}
    actions = {
        "cash_dividends": [{**rates, "rate": 0.46, "special": False}, {**rates, "rate": 2.0, "special": True}],
        "forward_splits": [{**rates, "new_rate": 3, "old_rate": 1}],
    }
    command = ["stock", "--source", "alpaca", "--tickers", "AAPL,KO", f"--start={START}", f"--end={END}"]
    with AlpacaApi(truth, actions, page_rows=2_000) as api:
        api.fail_next(Reply(500), Reset(), Cut())
        code, *_ = house.run(*command, **alpaca(api), TICKERSTREAM_FAILPOINTS="producers.stock.after_send=kill@12")
        assert code == -signal.SIGKILL
        asked, confirmed = len(api.asked), house.confirmed_units("stock")
        code, *_ = house.run(*command, **alpaca(api), TICKERSTREAM_FAILPOINTS="producers.stock.before_confirm=kill@1")
        assert code == -signal.SIGKILL
        resumed = api.asked[asked:]
        code, done, err = house.run(*command, **alpaca(api))
        assert code == 0, err
        code, repeated, _ = house.run(*command, **alpaca(api))
        assert code == 0
        assert len(api.asked) == asked + len(resumed)  # all was confirmed when it was killed again
    expected = {row_of(ticker, bar) for ticker, bars in truth.items() for bar in bars}
    assert set(house.bars(BARS_HISTORY.name)) == expected
    again = {f"actions/{a.query['symbols']}" for a in resumed if a.path == "/v1/corporate-actions"}
    assert again == {f"actions/{ticker}" for ticker in truth} - confirmed
    assert (done["resumed"], done["bars_read"], done["published"]) == (True, len(expected), len(expected))
    assert repeated["already_done"]
    facts = {(f["action"], f["label"], f["ratio"], f["amount"]) for f in house.facts(CORPORATE_ACTIONS.name)}
    assert facts == {("split", "", 3.0, None), ("dividend", "", None, 0.46), ("dividend", "special", None, 2.0)}


@pytest.mark.kafka
def test_freds_vintages_are_published_though_the_producer_is_killed(house: House) -> None:
    generator = random.Random(2)
    months = [date(2015 + m // 12, m % 12 + 1, 1) for m in range(100)]
    events = {
        series: [
            Event(month + timedelta(days=45 + 30 * late), month, f"{generator.uniform(1, 9):.2f}{late}")
            for month in months
            for late in range(3)
        ]
        for series in ("CPIAUCSL", "UNRATE", "GDPC1")
    }
    command = ["macro", "--source", "fred", "--series", ",".join(events), "--end=2026-01-01"]
    with FredApi({name: sorted(told, key=lambda e: e.vintage) for name, told in events.items()}) as api:
        environment = {"FRED_API_KEY": FRED_KEY, "FRED_URL": api.root}
        api.fail_next(Reply(503), Cut())
        for failpoint in ("after_send=kill@600", "before_confirm=kill@1"):
            code, *_ = house.run(*command, **environment, TICKERSTREAM_FAILPOINTS=f"producers.macro.{failpoint}")
            assert code == -signal.SIGKILL
        code, done, err = house.run(*command, **environment)
        assert code == 0, err
    told = {(f["series"], f["date"], f["vintage"], f["value"]) for f in house.facts(MACRO.name)}
    assert told == {
        (name, str(e.observed), str(e.vintage), float(e.value or 0)) for name, es in events.items() for e in es
    }
    assert done["resumed"]
    assert done["published"] == 900


@pytest.mark.kafka
def test_live_bars_are_published_through_a_broken_stream_and_a_killed_producer(house: House) -> None:
    chance = random.Random(4)
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=2)
    tickers = [f"T{n}" for n in range(25)]
    truth = {t: [made_bar(first + timedelta(minutes=n), chance, 50.0) for n in range(2)] for t in tickers}
    before, streamed, in_outage, while_down, after = (tickers[n : n + 5] for n in range(0, 25, 5))

    def published(*groups: list[str]) -> bool:
        return set(house.bars(BARS_LIVE.name)) == {row_of(t, b) for group in groups for t in group for b in truth[t]}

    command = ["stock", "--source", "alpaca", "--live", "--tickers", ",".join(tickers)]
    with AlpacaApi({t: truth[t] for t in before}) as api, AlpacaStream() as stream:
        environment = {**alpaca(api), "ALPACA_STREAM_URL": stream.url}
        process = house.start(*command, **environment)
        stream.wait_subscribed(1)
        for ticker in streamed:
            for bar in truth[ticker]:
                stream.send(ticker, bar)
        eventually(lambda: published(before, streamed), seconds=30)
        stream.down = True
        stream.break_off()
        stream.wait_gone()
        api.bars |= {t: truth[t] for t in streamed + in_outage}
        stream.down = False
        stream.wait_subscribed(2)
        eventually(lambda: published(before, streamed, in_outage), seconds=30)
        process.kill()
        process.communicate(timeout=30)
        stream.wait_gone()
        api.bars |= {t: truth[t] for t in while_down}
        process = house.start(*command, **environment)
        stream.wait_subscribed(3)
        for ticker in after:
            for bar in truth[ticker]:
                stream.send(ticker, bar)
        eventually(lambda: published(tickers), seconds=30)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        stream.wait_gone()


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("command", "environment", "named"),
    [
        (["stock", "--source", "alpaca", "--tickers", "A", "--start=2024-01-02"], {}, "ALPACA_API_KEY"),
        (["stock", "--source", "alpaca", "--live", "--tickers", "A"], {"ALPACA_API_KEY": "k"}, "ALPACA_SECRET_KEY"),
        (["macro", "--source", "fred"], {}, "FRED_API_KEY"),
    ],
)
def test_missing_key_ends_the_producer_with_one_line(
    house: House, command: list[str], environment: dict[str, str], named: str
) -> None:
    code, _, err = house.run(*command, **environment)
    assert code == 2
    assert named in err
    assert len(err.strip().splitlines()) == 1
