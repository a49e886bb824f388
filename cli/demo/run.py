"""One demo while it runs: the stages in order, each timed."""

import time
from collections.abc import Callable
from typing import Final

from cli.demo.report import DemoReport, Seconds, peaks
from cli.live import stream
from cli.output import Output, duration
from cli.pipeline.backfill import BackfillRun, Result
from cli.pipeline.plan import Backfill, Choice, declare, plan
from cli.progress import Board, board
from cli.settings import Connection, embedded
from cli.stack_view import ConsoleProgress, StartReport
from cli.verify.command import Source, parse_zone, verify
from infra.embedded import stack
from infra.embedded.layout import Home
from infra.embedded.status import status
from producers.arguments import Arguments
from shared.errors import TransientError
from shared.settings import KafkaSettings

HEALTH_SECONDS: Final = 2.0


class DemoRun:
    """A demo on the embedded stack.

    Args:
        output: Where it is shown.
        home: The stack's home.
        choice: What is published.
    """

    def __init__(self, output: Output, home: Home, choice: Choice) -> None:
        self._output = output
        self._home = home
        self._choice = choice
        self._begun = time.monotonic()
        self._was_up = False
        self._started = False
        self.a_ticker: str | None = None
        """One that is in the lake, for examples."""

    def prove(self, *, fresh: bool) -> DemoReport:
        """Start the stack, publish, wait for the lake, verify; return the numbers.

        Args:
            fresh: Remove first what the home stores.

        Raises:
            ConfigurationError: a person has to act.
            TransientError: a server or a service does not go on.
            BackfillError: a producer failed.
        """
        backfill = plan(self._choice, KafkaSettings.load())  # says now what cannot be read
        seconds = Seconds()
        if fresh:
            stack.stop(self._home)
            stack.wipe(self._home)
        system = self._start()
        seconds.start = time.monotonic() - self._begun
        with board(self._output) as shown:
            published = self._publish(system, backfill, shown)
            seconds.publish = published.publish_seconds
            seconds.lake = published.landed_seconds - published.publish_seconds
            memory = peaks(status(self._home), published)
            begun = time.monotonic()
            found = verify(system.lake, system.kafka, shown, self._source())
            self.a_ticker = next((t.ticker for t in found.tickers if t.total("rows")), None)
            seconds.verify = time.monotonic() - begun
        seconds.total = time.monotonic() - self._begun
        return DemoReport(self._choice.origin == "simulated", published, found, seconds, memory)

    def go_live(self, speed: float | None) -> int:
        """Let the simulated exchange go on, and show it until Ctrl-C; return how many bars came by."""
        arguments = Arguments(
            producer="stock",
            source="simulated",
            live=True,
            json=True,
            tickers=self._choice.tickers,
            sessions=self._choice.sessions,
            seed=self._choice.seed,
            speed=speed,
        )
        return stream(embedded(self._home), self._output, arguments)

    def close(self, *, keep_up: bool) -> None:
        """Stop the stack, if this demo started it and it is not to be kept up."""
        if self._started and not self._was_up and not keep_up:
            stopped = stack.stop(self._home)
            self._output.line(f"stack stopped in {duration(stopped.seconds)}", style="dim")

    def _start(self) -> Connection:
        self._started = True
        with StartReport(self._output) as report:
            begun = stack.start(self._home, None, ConsoleProgress(self._output), report.watch)
        self._was_up = begun.already_up
        self._health()()
        up = "up already" if begun.already_up else f"up in {duration(begun.seconds)}"
        self._output.line(f"stack {up}: {self._home.root}", style="green")
        return embedded(self._home)

    def _publish(self, system: Connection, backfill: Backfill, shown: Board) -> Result:
        declare(backfill, system.kafka, again=False)
        return BackfillRun(system, backfill, shown, self._home.logs, self._health()).run()

    def _source(self) -> Source | None:
        bars = self._choice.bars
        return Source(bars, parse_zone(self._choice.timezone)) if bars else None

    def _health(self) -> Callable[[], None]:
        """Return a check that raises when a service of the stack has failed; it looks every HEALTH_SECONDS."""
        next_look = 0.0

        def check() -> None:
            nonlocal next_look
            if time.monotonic() < next_look:
                return
            next_look = time.monotonic() + HEALTH_SECONDS
            for process in status(self._home).processes:
                if process.state == "failed":
                    raise TransientError(f"{process.name} failed: {process.detail}; see `tickerstream logs`.")

        return check
