"""The live producer of the simulated exchange as a process: killed and stopped, it tells everything there was."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from producers.simulated.live import SimulatedLive
from producers.simulated.settings import SimulatedSettings
from producers.source import Bars, Fact
from shared.clock import ManualClock
from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.topics import BARS_LIVE, CORPORATE_ACTIONS, FILINGS, MACRO, TOPICS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.scan import read_topic
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually
from tests.conftest import running_kafka, temporary_home
from tests.producers.parts import MONDAY

WORLD = SimulatedSettings(
    simulated_seed=11, simulated_tickers=3, simulated_sessions=4, simulated_start=date(2025, 3, 24),
    simulated_speed=30_000.0, simulated_pause_seconds=0.1,
)  # fmt: skip
Bar = tuple[str, datetime, float, float, datetime]


@dataclass
class House:
    """A broker of this module and the live producer on it."""

    kafka: KafkaSettings
    home: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def mark(self) -> Path:
        return self.home / "state" / "producers" / "live-simulated.stock.json"

    def start(self) -> subprocess.Popen[bytes]:
        world = {name.upper(): str(value) for name, value in WORLD.model_dump(mode="json").items()}
        ours = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.kafka_bootstrap_servers,
            "TICKERSTREAM_HOME": str(self.home),
            "HEARTBEAT_FILE": str(self.home / "heartbeat.json"),
        }
        command = [sys.executable, "-m", "producers", "stock", "--source", "simulated", "--live", "--json"]
        process = subprocess.Popen(command, env=os.environ | world | ours, stdout=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def known_until(self) -> datetime | None:
        return datetime.fromisoformat(json.loads(self.mark.read_text())["known_until"]) if self.mark.exists() else None

    def bars(self) -> set[Bar]:
        """Every bar on the topic, decoded without our code."""
        found: set[Bar] = set()
        for record in read_topic(self.kafka, BARS_LIVE.name):
            assert "run" not in record.headers
            assert record.headers["simulated"] == b"1"
            for row in pa.ipc.open_stream(io.BytesIO(record.value or b"")).read_all().to_pylist():
                found.add((row["ticker"], row["timestamp"], row["close"], row["volume"], row["known_at"]))
        return found


@pytest.fixture
def house(jar_cache: Path) -> Iterator[House]:
    with temporary_home(jar_cache) as home, running_kafka(home) as server:
        kafka = KafkaSettings(kafka_bootstrap_servers=server.bootstrap_servers)
        KafkaAdmin(kafka, "tests").provision(TOPICS)
        house = House(kafka, home.root / "producers")
        try:
            yield house
        finally:
            for process in house.running:
                process.kill()
                process.wait()


def told_until(last: datetime) -> tuple[set[Bar], set[bytes]]:
    """Return the bars and facts that the world makes known up to `last`, without waiting for its clock."""
    clock = ManualClock(MONDAY)
    bars: set[Bar] = set()
    facts: set[bytes] = set()
    for batch in SimulatedLive(WORLD, clock, wait=clock.advance).stream(lambda: False):
        after = False
        for item in batch:
            if isinstance(item, Bars):
                for row in item.frame.iter_rows(named=True):
                    after = after or row["known_at"] > last
                    if row["known_at"] <= last:
                        bars.add((row["ticker"], row["timestamp"], row["close"], row["volume"], row["known_at"]))
            elif isinstance(item, Fact) and known_at(item) <= last:
                facts.add(item.message.encode())
        if after:
            return bars, facts
    raise AssertionError("the simulated exchange ended")


def known_at(fact: Fact) -> datetime:
    match fact.message:
        case CorporateAction():
            return fact.message.known_at
        case MacroVintage():
            return fact.message.released_at
        case Filing():
            return fact.message.filed_at
    raise AssertionError(fact)


def gone_on(house: House, before: datetime | None, least: int) -> bool:
    """Return whether the mark has moved since `before`, and more than so many bars lie before it."""
    now = house.known_until()
    return now is not None and now != before and len(told_until(now)[0]) > least


@pytest.mark.kafka
def test_live_producer_killed_and_stopped_has_told_everything_up_to_its_mark(house: House) -> None:
    for end, least in ((signal.SIGKILL, 0), (signal.SIGTERM, 100)):
        before = house.known_until()
        process = house.start()
        eventually(partial(gone_on, house, before, least), seconds=60, failing="the live producer did not go on")
        process.send_signal(end)
        assert process.wait(30) == (-9 if end == signal.SIGKILL else 0)

    last = house.known_until()
    assert last is not None
    bars, facts = told_until(last)
    assert len(bars) > 100
    found = house.bars()
    assert {bar for bar in found if bar[4] <= last} == bars
    topics = (CORPORATE_ACTIONS.name, FILINGS.name, MACRO.name)
    assert facts <= {r.value for topic in topics for r in read_topic(house.kafka, topic)}
    assert json.loads((house.home / "heartbeat.json").read_text())["state"] == "stopped"
