"""A source in memory, a reporter that remembers, and a producer's parts on a broker in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from producers.cursor import Cursor, Place, cursor_path
from producers.delivery import Delivery
from producers.history import Job, publish_history
from producers.publishing import Publisher, Route, Stamp
from producers.reporting import Progress
from producers.runs import history_of, plan_run
from producers.source import Bars, Item, Unit
from shared.clock import ManualClock
from shared.contracts.bars import BAR_COLUMNS, decode_bars
from shared.contracts.runs import RunAborted, RunDeclared, TopicConfirmed, decode_run_event
from shared.contracts.topics import BARS_HISTORY, CORPORATE_ACTIONS, DEAD_LETTERS, MACRO, RUNS, TOPICS
from shared.ports import Outgoing, Position
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping
from shared.settings import RuntimeSettings
from shared.testing.memory_broker import MemoryBroker
from shared.testing.memory_kafka import MemoryWriter

MONDAY = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)


def bars(ticker: str, count: int = 3, week: int = 0, **more: Any) -> pl.DataFrame:
    """Valid bars of one ticker and week."""
    times = [MONDAY + timedelta(weeks=week, minutes=i) for i in range(count)]
    row = {"open": 10.0, "high": 11.0, "low": 9.0, "close": 10.5, "volume": 100.0, "trade_count": None, "vwap": None}
    row |= {"known_basis": "nominal", "source": "test", "feed": None, "adjusted": False, "simulated": False} | more
    rows = [{"ticker": ticker, "timestamp": t, "known_at": t + timedelta(minutes=1), **row} for t in times]
    return pl.DataFrame(rows, schema=BAR_COLUMNS)


@dataclass
class ListSource:
    """A source whose units are known beforehand; an exception among the items is raised once."""

    content: dict[str, list[Item | Exception]]
    name: str = "test"
    simulated: bool = False
    reads: list[str] = field(default_factory=list)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"units": list(self.content)}

    @property
    def run_set(self) -> str:
        return "test"

    def units(self) -> Sequence[Unit]:
        return [Unit(name, 1) for name in self.content]

    def read(self, unit: Unit) -> Iterator[Item]:
        self.reads.append(unit.id)
        for place, item in enumerate(list(self.content[unit.id])):
            if isinstance(item, Exception):
                del self.content[unit.id][place]
                raise item
            yield item


@dataclass
class Remembered:
    """A reporter that keeps what it is told."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)
    ends: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    last: Progress | None = None

    def progress(self, progress: Progress) -> None:
        self.last = progress

    def line(self, kind: str, origin: str, text: str) -> None:
        self.lines.append((kind, origin, text))

    def end(self, event: str, summary: Mapping[str, Any], text: str) -> None:  # noqa: ARG002  the port's
        self.ends.append((event, summary))


@dataclass
class Bench:
    """A producer on a broker in memory, started as often as wanted."""

    home: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(MONDAY))
    stopping: Stopping = field(default_factory=Stopping)
    reporter: Remembered = field(default_factory=Remembered)
    cluster_id: str = "one"
    broker: MemoryBroker = field(init=False)
    on_send: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.broker = MemoryBroker({t.name: 3 if t.sharded else 1 for t in TOPICS}, self.clock)

    def start(self, source: ListSource, run_id: str | None = None, again: bool = False) -> int:
        """Publish as one process does."""
        topics = (BARS_HISTORY.name, CORPORATE_ACTIONS.name)
        plan = plan_run({"stock": source}, topics, run_id)
        place = Place(self.cluster_id, {name: str(self.broker.topics[name].id) for name in topics})
        cursor = Cursor(cursor_path(self.home, plan.run_id, "stock"), plan.run_id, plan.identity, place)
        settings = RuntimeSettings(tickerstream_home=self.home)
        heartbeat = Heartbeat(None, "producers.stock", self.clock)
        runtime = Runtime("producers.stock", settings, self.clock, self.stopping, heartbeat)
        delivery = Delivery(MemoryWriter(self.broker), runtime, 10.0)

        def send(record: Outgoing, on_delivered: Callable[[Position], None] | None = None) -> None:
            self.on_send()
            delivery.send(record, on_delivered)

        stamp = Stamp(runtime.name, source.name, source.simulated, plan.run_id)
        publisher = Publisher(send, stamp, Route(BARS_HISTORY, MACRO, BARS_HISTORY.name), self.clock)
        history = history_of(plan.run_id, self.broker.records(RUNS.name))
        try:
            return publish_history(
                Job(runtime, source, plan, run_id is None, topics, cursor, history, publisher, delivery, self.reporter),
                again,
            )
        finally:
            cursor.close()

    @property
    def summary(self) -> Mapping[str, Any]:
        event, summary = self.reporter.ends[-1]
        assert event == "done"
        return summary

    @property
    def events(self) -> list[RunDeclared | TopicConfirmed | RunAborted]:
        return [decode_run_event(record.value) for record in self.broker.records(RUNS.name)]

    @property
    def bars(self) -> pl.DataFrame:
        """Everything on the topic, repetitions included."""
        frames = [decode_bars(record.value) for record in self.broker.records(BARS_HISTORY.name)]
        return pl.concat(frames) if frames else pl.DataFrame(schema=BAR_COLUMNS)

    @property
    def dead_letters(self) -> list[tuple[str, bytes]]:
        return [(r.headers["reason"].decode(), r.value or b"") for r in self.broker.records(DEAD_LETTERS.name)]


def week_items(tickers: Sequence[str], weeks: int = 1) -> dict[str, list[Item | Exception]]:
    """One unit a ticker with an item a week."""
    return {t: [Bars(bars(t, week=w), origin=f"files:{t}") for w in range(weeks)] for t in tickers}
