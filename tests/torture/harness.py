"""Kill-and-compare: the real services on a real broker, killed at chosen or random moments, then compared by bar."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from infra.embedded.kafka import KafkaServer
from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import SimulatedHistory
from producers.source import Bars
from shared.contracts.dead_letters import TOPIC as DEAD_LETTERS
from shared.contracts.runs import TopicConfirmed, decode_run_event
from shared.contracts.topics import BARS_HISTORY, RUNS, TOPICS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.scan import read_topic
from shared.runtime.service import CRASHED
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually

FIRST_MONDAY = date(2001, 1, 1)
PATIENCE = 90.0
VALUES = ("ticker", "timestamp", "open", "high", "low", "close", "volume", "known_basis", "known_at")
GROUP = "lake-stock"

Row = tuple[object, ...]
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class World:
    """One round's exchange: no two rounds share an ISO week, so that each is compared on its own."""

    number: int
    tickers: int = 3
    sessions: int = 8

    @property
    def settings(self) -> SimulatedSettings:
        return SimulatedSettings.load(
            simulated_seed=self.number,
            simulated_tickers=self.tickers,
            simulated_sessions=self.sessions,
            simulated_start=FIRST_MONDAY + timedelta(weeks=9 * self.number),
        )

    def environment(self) -> dict[str, str]:
        return {name.upper(): str(value) for name, value in self.settings.world.items()}

    def bars(self) -> Counter[Row]:
        """Return what has to lie in the lake, straight from the source: a linear recomputation, each row once."""
        source = SimulatedHistory(self.settings)
        rows: Counter[Row] = Counter()
        for unit in source.units():
            for item in source.read(unit):
                if isinstance(item, Bars):
                    rows.update(item.frame.select(VALUES).iter_rows())
        return Counter(dict.fromkeys(rows, 1))


@dataclass
class Torture:
    """A broker, a lake folder, and the processes that work on them."""

    kafka: KafkaServer
    home: Path
    kills: int = 0
    worlds: int = 0
    processes: list[Process] = field(default_factory=list)

    @property
    def settings(self) -> KafkaSettings:
        return KafkaSettings.load(kafka_bootstrap_servers=self.kafka.bootstrap_servers)

    def new_world(self, tickers: int = 3, sessions: int = 8) -> World:
        """Return an exchange that shares no ISO week with those before it."""
        self.worlds += 1
        return World(self.worlds, tickers, sessions)

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def admin(self) -> KafkaAdmin:
        """A new client each time: one that lived through the broker's death may stay stuck in librdkafka."""
        return KafkaAdmin(self.settings)

    def provision(self) -> None:
        self.admin.provision(TOPICS)

    def spawn(self, *arguments: str, failpoints: str = "", **more: str) -> Process:
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "LAKE_URL": f"file://{self.lake}",
            "LAKE_FLUSH_SECONDS": "1",
            "KAFKA_SESSION_SECONDS": "2",
            "TICKERSTREAM_HOME": str(self.home),
            "TICKERSTREAM_FAILPOINTS": failpoints,
            **more,
        }
        with (self.home / f"{len(self.processes):03}-{arguments[0]}.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", *arguments], env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def producer(self, world: World, failpoints: str = "") -> Process:
        arguments = ("producers", "stock", "--source", "simulated", "--json")
        return self.spawn(*arguments, failpoints=failpoints, **world.environment())

    def consumer(self, failpoints: str = "", **more: str) -> Process:
        return self.spawn("consumers", "stock", failpoints=failpoints, **more)

    def kill(self, process: Process) -> None:
        """SIGKILL a process that has to be alive still: a kill with nothing in flight proves nothing."""
        assert process.poll() is None, f"ended by itself before it could be killed: {self.tail(process)}"
        process.kill()
        process.wait()
        self.kills += 1

    def died_at_failpoint(self, process: Process) -> None:
        """Wait until the failpoint has killed the process."""
        process.wait(PATIENCE)
        assert process.returncode == -signal.SIGKILL, f"exit {process.returncode}: {self.tail(process)}"
        self.kills += 1

    def finished(self, process: Process) -> None:
        process.wait(PATIENCE)
        assert process.returncode == 0, f"exit {process.returncode}: {self.tail(process)}"

    def end(self, process: Process) -> None:
        """Ask a process to end; one that is still starting ends by the signal itself."""
        process.terminate()
        process.wait(PATIENCE)
        assert process.returncode in (0, -signal.SIGTERM), f"exit {process.returncode}: {self.tail(process)}"

    def tail(self, process: Process) -> str:
        return self.log(process)[-2000:]

    def log(self, process: Process) -> str:
        number = self.processes.index(process)
        return next(self.home.glob(f"{number:03}-*.log")).read_text(errors="replace")

    def sent(self) -> int:
        """Return how many records the history topic holds."""
        return sum(self.admin.end_offsets(BARS_HISTORY.name).values())

    def objects(self) -> int:
        return sum(1 for _ in self.lake.glob("stock-data/*/*/*/*.parquet"))

    def confirmed(self, world: World) -> TopicConfirmed | None:
        """Return the newest confirmation of this world's run."""
        wanted = world.settings.world
        declared: set[str] = set()
        newest: TopicConfirmed | None = None
        for record in read_topic(self.settings, RUNS.name):
            event = decode_run_event(record.value)
            if event.event == "declared" and _is_run_of(event.settings, wanted):
                declared.add(event.run_id)
            elif isinstance(event, TopicConfirmed) and event.run_id in declared and event.topic == BARS_HISTORY.name:
                newest = event
        return newest

    def landed(self, world: World) -> bool:
        """Return whether the consumers have committed everything that the run confirmed."""
        event = self.confirmed(world)
        if event is None:
            return False
        committed = self.admin.committed(GROUP, [BARS_HISTORY.name])
        by_partition = {(slot[0], slot[1]): offset for slot, offset in committed.items()}
        return all(by_partition.get((BARS_HISTORY.name, p.partition), -1) >= p.next_offset for p in event.partitions)

    def caught_up(self) -> bool:
        """Return whether the consumers have committed every record that the topic holds."""
        committed = self.admin.committed(GROUP, [BARS_HISTORY.name])
        ends = self.admin.end_offsets(BARS_HISTORY.name)
        return all(committed.get((BARS_HISTORY.name, number), 0) >= end for number, end in ends.items())

    def wait_landed(self, world: World) -> None:
        eventually(lambda: self.landed(world), seconds=PATIENCE)

    def wait_recovered(self, world: World, consumer: Process) -> Process:
        """Wait until everything is committed after the broker was away; return the consumer that is at work then.

        One that gave up waiting for Kafka is started again, as a supervisor would. One that crashed is a failure.
        """

        def landed() -> bool:
            nonlocal consumer
            if consumer.poll() is not None:
                gave_up = consumer.returncode == CRASHED and "Traceback" not in self.log(consumer)
                assert gave_up, f"exit {consumer.returncode}: {self.tail(consumer)}"
                consumer = self.consumer()
            return self.landed(world)

        eventually(landed, seconds=PATIENCE)
        return consumer

    def compare(self, world: World) -> None:
        """Compare the lake with the source: nothing lost, nothing twice, one current version of each bar."""
        expected = world.bars()
        tickers = {row[0] for row in expected}
        weeks = {f"{row[1]:%G-W%V}" for row in expected}  # type: ignore[str-format]
        found: Counter[Row] = Counter()
        current: Counter[tuple[object, object]] = Counter()
        for path in self.lake.glob("stock-data/*/*/*/*.parquet"):
            ticker, week = path.stem.rsplit("_", 1)
            if ticker in tickers and week in weeks:
                columns = pq.ParquetFile(path).read().to_pydict()
                found.update(zip(*(columns[name] for name in VALUES), strict=True))
                flags = zip(columns["ticker"], columns["timestamp"], columns["current"], strict=True)
                current.update((t, at) for t, at, wins in flags if wins)
        lost, extra = expected - found, found - expected
        assert not lost, f"{lost.total()} of {expected.total()} lost, such as {next(iter(lost))}"
        assert not extra, f"{extra.total()} twice or foreign, such as {next(iter(extra))}"
        assert set(current) == {(row[0], row[1]) for row in expected}
        assert set(current.values()) == {1}
        assert not list(read_topic(self.settings, DEAD_LETTERS)), "something was refused"

    def stop_all(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def is_stopped(pid: int) -> bool:
    """Return whether the process stands still after SIGSTOP."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def _is_run_of(settings: dict[str, object], wanted: dict[str, object]) -> bool:
    text = json.dumps(settings, sort_keys=True, default=str)
    return all(json.dumps({key: value})[1:-1] in text for key, value in wanted.items())


@contextmanager
def torture(kafka: KafkaServer, home: Path) -> Iterator[Torture]:
    """Provide the topics, and stop whatever is left at the end."""
    home.mkdir(parents=True, exist_ok=True)
    ours = Torture(kafka, home)
    ours.provision()
    try:
        yield ours
    finally:
        ours.stop_all()
