"""The live stream as a person sees it: newest bar of each ticker, rate, what is not in the lake yet, dead letters."""

import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.output import Output, duration
from cli.pipeline.landing import group_of
from cli.pipeline.live_producer import LiveProducer
from shared.contracts.bars import decode_bars
from shared.contracts.topics import BARS_LIVE, DEAD_LETTERS
from shared.errors import PoisonMessageError, TickerstreamError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.follow import follow_topic
from shared.settings import KafkaSettings

DRAW_SECONDS: Final = 0.5
LINE_SECONDS: Final = 5.0
RATE_WINDOW_SECONDS: Final = 5.0
SHOWN_TICKERS: Final = 30
FIRST_BAR_SECONDS: Final = 60.0
REST_SECONDS: Final = 10.0
"""How long to wait for what a producer that has ended sent last."""


class Deadline:
    """When to end by itself: so long after the first bar, or FIRST_BAR_SECONDS later where none comes.

    Args:
        seconds: How long to look at bars; None: for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = float("inf") if seconds is None else seconds
        self._from = time.monotonic() + FIRST_BAR_SECONDS
        self._begun = False

    def left(self, bars: int) -> float:
        """Return the seconds that are left, given how many bars came by; 0 or less at the end."""
        now = time.monotonic()
        if bars and not self._begun:
            self._from, self._begun = min(now, self._from), True
        return self._from + self._seconds - now


@dataclass
class Stream:
    """What came by so far. One thread adds, another looks; both under the lock."""

    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    bars: int = 0
    arrivals: deque[tuple[float, int]] = field(default_factory=deque)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, bars: pl.DataFrame) -> None:
        """Take in the bars of a record."""
        with self.lock:
            self.bars += bars.height
            self.arrivals.append((time.monotonic(), bars.height))
            for row in bars.iter_rows(named=True):
                before = self.newest.get(row["ticker"])
                if before is None or row["timestamp"] >= before["timestamp"]:
                    self.newest[row["ticker"]] = row | {"before": before["close"] if before else None}

    def rate(self) -> float:
        """Return bars a second over the last seconds."""
        horizon = time.monotonic() - RATE_WINDOW_SECONDS
        with self.lock:
            while self.arrivals and self.arrivals[0][0] < horizon:
                self.arrivals.popleft()
            return sum(count for _, count in self.arrivals) / RATE_WINDOW_SECONDS


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the lake is behind the stream, and what was refused since the view began."""

    waiting_records: int
    dead_letters: int


class LiveView:
    """Shows the live topic until told to stop.

    Args:
        kafka: Where Kafka is.
        output: Where to show it.
    """

    def __init__(self, kafka: KafkaSettings, output: Output) -> None:
        self._kafka = kafka
        self._output = output
        self._admin = KafkaAdmin(kafka, "tickerstream-live")
        self._stream = Stream()
        self._stop = threading.Event()
        self._letters_before = sum(self._admin.end_offsets(DEAD_LETTERS.name).values())
        self._read = dict(self._admin.end_offsets(BARS_LIVE.name))
        self._ends: dict[int, int] | None = None
        self._follower = threading.Thread(target=self._follow, daemon=True)

    @property
    def bars(self) -> int:
        """Return how many bars came by."""
        return self._stream.bars

    def run(self, producer: LiveProducer | None, seconds: float | None) -> None:
        """Show the stream until Ctrl-C, for `seconds`, or until the producer ends for good.

        Raises:
            ConfigurationError: the producer ended, and a person has to act.
            TransientError: the producer crashed too often.
        """
        self._follower.start()
        deadline = Deadline(seconds)
        try:
            self._draw_until(deadline, producer)
        except KeyboardInterrupt:
            pass
        finally:
            self._stop.set()
            self._follower.join(5)
        if producer is not None:
            producer.check()

    def lag(self) -> Lag:
        """Return how far the lake is behind."""
        ends = self._admin.end_offsets(BARS_LIVE.name)
        committed = self._admin.committed(group_of(BARS_LIVE.name), [BARS_LIVE.name])
        waiting = sum(max(0, end - committed.get((BARS_LIVE.name, p), 0)) for p, end in ends.items())
        letters = sum(self._admin.end_offsets(DEAD_LETTERS.name).values()) - self._letters_before
        return Lag(waiting, letters)

    def _follow(self) -> None:
        try:
            for record in follow_topic(self._kafka, BARS_LIVE.name, dict(self._read), self._is_over):
                if record is not None:
                    with suppress(PoisonMessageError):  # the consumers make the dead letter
                        self._stream.add(decode_bars(record.value))
                    self._read[record.position.partition] = record.position.offset + 1
        except TickerstreamError:
            self._stop.set()

    def _is_over(self) -> bool:
        ends = self._ends
        return self._stop.is_set() or (ends is not None and all(at >= ends.get(p, 0) for p, at in self._read.items()))

    def _take_the_rest(self, producer: LiveProducer | None) -> None:
        """Where the producer ended by itself, wait for what it sent last."""
        if producer is not None and producer.look() is not None and not self._stop.is_set():
            self._ends = self._admin.end_offsets(BARS_LIVE.name)
            self._follower.join(REST_SECONDS)

    def _draw_until(self, deadline: Deadline, producer: LiveProducer | None) -> None:
        if not self._output.terminal:
            self._lines_until(deadline, producer)
            return
        with Live(console=self._output.console, refresh_per_second=4, transient=False) as live:
            while self._going_on(deadline, producer):
                live.update(self._drawing())
                self._stop.wait(DRAW_SECONDS)
            self._take_the_rest(producer)
            live.update(self._drawing())

    def _lines_until(self, deadline: Deadline, producer: LiveProducer | None) -> None:
        begun = time.monotonic()
        next_line = begun + LINE_SECONDS
        while self._going_on(deadline, producer):
            self._stop.wait(min(DRAW_SECONDS, max(0.0, deadline.left(self.bars))))
            if time.monotonic() >= next_line:
                self._say(begun)
                next_line += LINE_SECONDS
        self._take_the_rest(producer)
        self._say(begun)

    def _say(self, begun: float) -> None:
        self._output.line(f"live {duration(time.monotonic() - begun)}: {self._state()}")

    def _going_on(self, deadline: Deadline, producer: LiveProducer | None) -> bool:
        running = producer is None or producer.look() is None
        return running and not self._stop.is_set() and deadline.left(self.bars) > 0

    def _state(self) -> str:
        lag = self.lag()
        with self._stream.lock:
            times = [row["timestamp"] for row in self._stream.newest.values()]
        newest = f", newest bar {max(times):%Y-%m-%d %H:%M} UTC" if times else ""
        return (
            f"{self._stream.bars:,} bars, {self._stream.rate():,.1f} bars/s, {len(times)} tickers{newest}; "
            f"{lag.waiting_records:,} records not in the lake yet, {lag.dead_letters:,} dead letters"
        )

    def _drawing(self) -> Group:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("ticker", "minute (UTC)", "close", "move", "volume", "origin"):
            table.add_column(title, justify="right" if title in ("close", "move", "volume") else "left")
        with self._stream.lock:
            rows = [self._stream.newest[name] for name in sorted(self._stream.newest)[:SHOWN_TICKERS]]
        for row in rows:
            table.add_row(
                Text(row["ticker"], style="bold"),
                f"{row['timestamp']:%Y-%m-%d %H:%M}",
                f"{row['close']:,.2f}",
                _move(row),
                f"{row['volume']:,.0f}",
                f"{row['source']}{', simulated' if row['simulated'] and row['source'] != 'simulated' else ''}",
            )
        return Group(table, Text(self._state(), style="cyan"), Text("Ctrl-C ends the view", style="dim"))


def _move(row: dict[str, Any]) -> Text:
    before = row["before"]
    if not before:
        return Text("")
    move = row["close"] / before - 1
    return Text(f"{move:+.2%}", style="green" if move > 0 else "red" if move < 0 else "dim")
