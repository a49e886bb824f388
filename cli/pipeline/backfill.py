"""Run the producers of a backfill and wait until all of it lies in the lake, showing both."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cli.pipeline.landing import Landing
from cli.pipeline.patience import Patience
from cli.pipeline.plan import Backfill
from cli.pipeline.producer_process import Ended
from cli.pipeline.producers import Producers
from cli.progress import Board, Line
from cli.settings import Connection
from shared.contracts.topics import BARS_HISTORY
from shared.errors import TickerstreamError, TransientError

TAKE_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 0.5
STALL_SECONDS: Final = 180.0
_UNITS: Final[Mapping[str, str]] = {"stock": "bars", "macro": "vintages", "company": "filings"}


class BackfillError(TickerstreamError):
    """A producer did not end well; started again, the run goes on where it stands."""


@dataclass
class Published:
    """What one producer did.

    Attributes:
        producer: stock, macro or company.
        summary: Its last event: counts, seconds, whether the run was done already.
        problems: Whole files that could not be read.
        notes: Files that were skipped or have no rows.
        peak_rss_mib: The most memory that it held.
        code: Its exit code: 1 where whole files could not be read.
    """

    producer: str
    summary: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    peak_rss_mib: float = 0.0
    code: int = 0

    def count(self, name: str) -> int:
        """Return a count of the summary; 0 where it has none."""
        return int(self.summary.get(name) or 0)


@dataclass
class Result:
    """What a backfill did, and how long it took: until everything was published, and until it was in the lake."""

    published: dict[str, Published]
    publish_seconds: float = 0.0
    landed_seconds: float = 0.0

    @property
    def already_done(self) -> bool:
        """Return whether the run was complete before."""
        return all(bool(p.summary.get("already_done")) for p in self.published.values())

    @property
    def resumed(self) -> bool:
        """Return whether a part of it was published before."""
        return any(bool(p.summary.get("resumed")) for p in self.published.values())


class BackfillRun:
    """One backfill while it runs.

    Args:
        system: Where it runs.
        backfill: What is published; its run is declared.
        board: Where progress is shown.
        logs: Folder for what producers write to standard error; None = nowhere.
        health: Raises when the stack is not able to go on.
    """

    def __init__(
        self,
        system: Connection,
        backfill: Backfill,
        board: Board,
        logs: Path | None = None,
        health: Callable[[], None] = lambda: None,
    ) -> None:
        self._backfill = backfill
        self._board = board
        self._health = health
        self._patiently = Patience(board, health)
        self._landing = self._patiently(lambda: Landing(system.kafka, backfill.topics))
        self._producers = Producers(system, backfill, logs, board.say)
        self._lines: dict[str, Line] = {}
        self._result = Result({a.producer: Published(a.producer) for a in backfill.arguments})

    def run(self) -> Result:
        """Publish, wait for the lake, return what was done.

        Raises:
            BackfillError: a producer failed.
            TransientError: the lake's consumers made no progress for STALL_SECONDS.
        """
        begun = time.monotonic()
        try:
            self._start()
            lake = self._board.line("land in lake", self._unit)
            next_look = begun + LOOK_SECONDS
            self._take()
            while not self._producers.over:
                if time.monotonic() > next_look:
                    self._show_landing(lake)
                    next_look = time.monotonic() + LOOK_SECONDS
                time.sleep(TAKE_SECONDS)
                self._take()
            self._check()
            self._result.publish_seconds = time.monotonic() - begun
            self._wait_landed(lake)
            self._result.landed_seconds = time.monotonic() - begun
            return self._result
        finally:
            self._producers.stop()

    def _start(self) -> None:
        for name in self._result.published:
            self._lines[name] = self._board.line(f"publish {name}", _UNITS[name])
        self._producers.start()

    def _take(self) -> None:
        for name, event in self._producers.take():
            self._heed(name, event)

    def _heed(self, name: str, event: dict[str, Any]) -> None:
        published, line = self._result.published[name], self._lines[name]
        match event.get("event"):
            case "progress":
                share = event["done"] / event["total"] if event["total"] else 0.0
                line.at(int(event["rows"]), share, str(event.get("detail", "")))
            case "problem":
                published.problems.append(f"{event.get('origin')}: {event.get('text')}")
            case "note":
                published.notes.append(f"{event.get('origin')}: {event.get('text')}")
            case "done":
                published.summary = event
                done = bool(event.get("already_done"))
                line.finish(int(event.get("published") or 0), "already done" if done else "", before=done)

    def _check(self) -> None:
        for name, published in self._result.published.items():
            ended, published.peak_rss_mib = self._producers.how_ended(name)
            if ended is None or not published.summary:
                raise BackfillError(f"the {name} producer failed: {_reason(ended)}")
            published.code = ended.code

    @property
    def _unit(self) -> str:
        return _UNITS["stock"] if "stock" in self._lines else "records"

    def _show_landing(self, lake: Line) -> None:
        """Show how far the lake is: of bars, their share of the records that were sent stands for the bars in them."""
        stock = self._lines.get("stock")
        landed = self._patiently(lambda: self._landing.look(BARS_HISTORY.name if stock else None))
        if stock is None:
            lake.update(landed.records, landed.total or None, "")
        elif landed.total:
            landed_share = min(1.0, landed.records / landed.total)
            lake.at(round(stock.count * landed_share), (stock.share or 0.0) * landed_share, "")

    def _wait_landed(self, lake: Line) -> None:
        self._patiently(lambda: self._landing.expect(self._backfill.run.run_id))
        seen, since = -1, time.monotonic()
        while not (landed := self._patiently(self._landing.look)).complete:
            self._show_landing(lake)
            if landed.records != seen:
                seen, since = landed.records, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                raise TransientError(
                    f"the lake's consumers made no progress for {STALL_SECONDS:g} s, {landed.total - landed.records} "
                    "records to go; see `tickerstream status` and `tickerstream logs consumers-stock`."
                )
            self._health()
            time.sleep(TAKE_SECONDS)
        stock = self._lines.get("stock")
        lake.finish(stock.count if stock else landed.total, before=self._result.already_done)


def _reason(ended: Ended | None) -> str:
    return ended.reason if ended else "it does not run"
