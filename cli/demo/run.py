"""One demo while it runs: the stages in order, each timed."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Final

from cli.demo.held_out import before, day_before, last_session
from cli.demo.report import DemoReport, Seconds, peaks
from cli.demo.served import ServedWay
from cli.demo.usage import UsageWatch
from cli.live import stream
from cli.options import zone_of
from cli.output import Output, duration
from cli.pipeline.backfill import BackfillRun, Result
from cli.pipeline.patience import Patience
from cli.pipeline.plan import Backfill, Choice, declare, plan
from cli.progress import Board, board
from cli.settings import Connection, embedded
from cli.stack_view import ConsoleProgress, StartReport
from cli.verify.lake import verify
from cli.verify.source_files import Source
from infra.embedded import stack
from infra.embedded.layout import Home
from infra.embedded.services import LAKE_SERVICES, SERVICES, ServiceEntry
from infra.embedded.status import ProcessStatus, status
from shared.errors import TransientError
from shared.settings import KafkaSettings

HEALTH_SECONDS: Final = 2.0
CRASHES_MAX: Final = 6


def _source_of(choice: Choice) -> Source | None:
    """Return the files of bars as the verifier reads them."""
    if choice.bars is None:
        return None
    return Source(choice.bars, zone_of(choice.timezone), frozenset(choice.tickers) or None)


def _gone(process: ProcessStatus) -> bool:
    """Return whether a process has ended for good, or crashes again and again without doing its work."""
    return process.state == "failed" or (process.state == "restarting" and process.crashes >= CRASHES_MAX)


class Until(StrEnum):
    """How far a demo goes."""

    LAKE = "lake"
    SERVED = "served"


class DemoRun:
    """A demo on the embedded stack.

    Args:
        output: Where it is shown.
        home: The stack's home.
        choice: What is published.
        hold_out: Whether the last session of files is kept back from history, to be replayed by `go_live`.
        until: How far it goes.
    """

    def __init__(
        self, output: Output, home: Home, choice: Choice, *, hold_out: bool, until: Until = Until.SERVED
    ) -> None:
        self._output = output
        self._home = home
        self._choice = choice
        self._until = until
        self._services = LAKE_SERVICES if until == Until.LAKE else SERVICES
        self._hold_out = hold_out and choice.bars is not None
        self._source = _source_of(choice)
        self.held_out: date | None = None
        """The session that is kept back, a New York date."""
        self._begun = time.monotonic()
        self._was_up = False
        self._started = False
        self.a_ticker: str | None = None
        """One that is in the lake, for examples."""

    def prove(self, *, fresh: bool) -> DemoReport:
        """Start the stack, publish, wait for the lake, verify, wait for predictions; return the numbers.

        Args:
            fresh: Remove first what the home stores.

        Raises:
            ConfigurationError: a person has to act.
            TransientError: a server or a service does not go on.
            BackfillError: a producer failed.
        """
        plan(self._choice, KafkaSettings.load())  # says now, before anything is started, what cannot be read
        seconds = Seconds()
        if fresh:
            stack.stop(self._home)
            stack.wipe(self._home)
        system = self._start()
        seconds.start = time.monotonic() - self._begun
        with UsageWatch(self._home) as usage, board(self._output) as shown:
            if self._hold_out:
                self._keep_back(shown)
            backfill = plan(self._choice, system.kafka)
            published = self._publish(system, backfill, shown)
            seconds.publish = published.publish_seconds
            seconds.lake = published.landed_seconds - published.publish_seconds
            begun = time.monotonic()
            patiently = Patience(shown, self._health(LAKE_SERVICES))
            found = patiently(lambda: verify(system.lake, system.kafka, shown, self._source))
            seconds.verify = time.monotonic() - begun
            report = DemoReport(self._choice.origin == "simulated", published, found, seconds)
            self.a_ticker = next(iter(report.bars), None)
            if self._until == Until.SERVED:
                self._serve(system, backfill.run.run_id, report, shown)
        seconds.total = time.monotonic() - self._begun
        report.peak_rss_mib = peaks(usage.peaks, published)
        report.peak_together_mib = usage.together
        report.cpu_seconds = usage.cpu_seconds
        return report

    def go_live(self, speed: float | None) -> int:
        """Let the exchange go on, or replay what was kept back; show it until Ctrl-C or its end.

        Returns:
            How many bars came by.
        """
        replay = replace(self._choice, start=self.held_out, end=None, again=True)
        choice = replay if self.held_out else self._choice
        arguments = replace(choice.arguments("stock"), live=True, speed=speed)
        return stream(embedded(self._home), self._output, arguments)

    @property
    def can_go_live(self) -> bool:
        """Return whether there is something to go on with."""
        return self._choice.origin == "simulated" or self.held_out is not None

    def close(self, *, keep_up: bool) -> None:
        """Stop the stack, if this demo started it and it is not to be kept up."""
        if self._started and not self._was_up and not keep_up:
            stopped = stack.stop(self._home)
            self._output.line(f"stack stopped in {duration(stopped.seconds)}", style="dim")

    def _start(self) -> Connection:
        self._started = True
        with StartReport(self._output) as report:
            begun = stack.start(self._home, stack.Wanted(self._services), ConsoleProgress(self._output), report.watch)
        self._was_up = begun.already_up
        self._health(self._services)()
        up = "up already" if begun.already_up else f"up in {duration(begun.seconds)}"
        self._output.line(f"stack {up}: {self._home.root}", style="green")
        return embedded(self._home)

    def _keep_back(self, shown: Board) -> None:
        """Find the last session, and let history end before it."""
        if self._source is None:
            return
        self.held_out = last_session(self._source, shown.line("find last session", "files"))
        if self.held_out:
            self._choice = replace(self._choice, end=day_before(self.held_out))
            self._source = before(self._source, self.held_out)

    def _publish(self, system: Connection, backfill: Backfill, shown: Board) -> Result:
        health = self._health(LAKE_SERVICES)
        Patience(shown, health)(lambda: declare(backfill, system.kafka, again=False))
        return BackfillRun(system, backfill, shown, self._home.logs, health).run()

    def _serve(self, system: Connection, run_id: str, report: DemoReport, shown: Board) -> None:
        """Wait for feature rows, models and predictions of what was published."""
        way = ServedWay(system, run_id, report.bars, shown, self._health(self._services))
        report.served = way.go()
        report.seconds.features = report.served.features_seconds
        report.seconds.train = report.served.train_seconds
        if report.served.first_prediction_at is not None:
            report.seconds.first_prediction = report.served.first_prediction_at - self._begun

    @property
    def page(self) -> str | None:
        """Return the address of the predictor's page, while it runs."""
        return status(self._home).page

    def _health(self, services: Iterable[ServiceEntry]) -> Callable[[], None]:
        """Return a check that raises when a server or one of `services` has failed; it looks every HEALTH_SECONDS."""
        needed = {service.name for service in services}
        next_look = 0.0

        def check() -> None:
            nonlocal next_look
            if time.monotonic() < next_look:
                return
            next_look = time.monotonic() + HEALTH_SECONDS
            for process in status(self._home).processes:
                if (process.kind != "service" or process.name in needed) and _gone(process):
                    raise TransientError(
                        f"{process.name} failed: {process.detail}; see `tickerstream logs {process.name}`."
                    )

        return check
