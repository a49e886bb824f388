"""Training while it runs: the jobs of one run as lines of progress, until every one is through."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cli.pipeline.patience import Patience
from cli.progress import Board, Line
from shared.contracts.training import MODEL_KINDS
from shared.errors import TransientError
from shared.storage.job_progress import JobsView, TickerProgress

LOOK_SECONDS: Final = 0.5
FILED_SECONDS: Final = 180.0
STALL_SECONDS: Final = 900.0
SHOWN_TICKERS: Final = 8
_THROUGH: Final = frozenset({"done", "failed"})


class TrainingWatch:
    """Watches the jobs of one run.

    Args:
        view: Where they are read.
        run_id: The run.
        shown: Where progress is shown: all of it, and the tickers that are worked on.
        health: Raises when the stack is not able to go on.
        look: Told how far the tickers are, each time.
    """

    def __init__(
        self,
        view: JobsView,
        run_id: str,
        shown: Board,
        health: Callable[[], None] = lambda: None,
        look: Callable[[Sequence[TickerProgress]], None] = lambda _: None,
    ) -> None:
        self._view = view
        self._run_id = run_id
        self._shown = shown
        self._health = health
        self._look = look
        self._patiently = Patience(shown, health)
        self._lines: dict[str, Line] = {}
        self._all: Line | None = None

    def wait(self) -> list[TickerProgress]:
        """Wait until no job waits or runs; return how each ticker ended.

        Raises:
            TransientError: nobody took the run up within FILED_SECONDS, or nothing moved for STALL_SECONDS.
        """
        begun = since = time.monotonic()
        seen: object = None
        while True:
            found = self._patiently(lambda: self._view.progress_of(self._run_id))
            self._draw(found)
            self._look(found)
            if found and all(ticker.state in _THROUGH for ticker in found):
                return found
            now = time.monotonic()
            if not found and now - begun > FILED_SECONDS:
                raise TransientError(
                    f"train has not taken up {self._run_id} within {FILED_SECONDS:g} s; "
                    "see `tickerstream logs train` and `tickerstream dlq list`."
                )
            if found != seen:
                seen, since = found, now
            elif now - since > STALL_SECONDS:
                raise TransientError(f"training made no progress for {STALL_SECONDS:g} s; see `tickerstream status`.")
            self._health()
            time.sleep(LOOK_SECONDS)

    def _draw(self, found: list[TickerProgress]) -> None:
        self._all = self._all or self._shown.line("train", "models")
        jobs = [job for ticker in found for job in ticker.jobs]
        done = sum(job.state == "done" for job in jobs)
        share = sum(ticker.progress for ticker in found) / len(found) if found else 0.0
        through = bool(found) and all(ticker.state in _THROUGH for ticker in found)
        for ticker in found:
            self._draw_ticker(ticker)
        if through:
            self._all.finish(done)
        else:
            running = sum(ticker.state == "running" for ticker in found)
            self._all.of = len(jobs) or None
            self._all.at(done, share, f"{running} tickers at work" if running else "waiting")

    def _draw_ticker(self, ticker: TickerProgress) -> None:
        """Show a ticker from when its work begins; one that is through makes room where there are many."""
        line = self._lines.get(ticker.ticker)
        if line is not None and line.seconds is not None:
            return
        done = sum(job.state == "done" for job in ticker.jobs)
        if line is None:
            if ticker.state == "queued":
                return
            line = self._lines[ticker.ticker] = self._shown.line(f"train {ticker.ticker}", "models")
        line.of = len(ticker.jobs)
        if ticker.state in _THROUGH:
            failed = len(ticker.jobs) - done
            line.finish(done, f"{failed} failed" if failed else "")
            if len(self._lines) > SHOWN_TICKERS:
                line.hide()
        elif self._shown.terminal:
            line.at(done, ticker.progress, ticker.stage)


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that was given up: of which ticker and kind, and why."""

    ticker: str
    kind: str
    reason: str

    @property
    def line(self) -> str:
        """Return it as one line."""
        return f"{self.ticker} {self.kind}: {self.reason}"


def failures(found: Sequence[TickerProgress]) -> list[Failure]:
    """Return the jobs that were given up."""
    return [
        Failure(one.ticker, job.kind, (job.error or "no reason given").removeprefix(f"{one.ticker}: "))
        for one in found
        for job in one.jobs
        if job.state == "failed"
    ]


def by_reason(given_up: Sequence[Failure]) -> list[str]:
    """Return a line a reason: the jobs that share it, those of all kinds of a ticker by the ticker alone."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for one in given_up:
        kinds.setdefault(one.reason, {}).setdefault(one.ticker, []).append(one.kind)
    lines = []
    for reason, tickers in kinds.items():
        names = [
            ticker if len(of) == len(MODEL_KINDS) else f"{ticker} ({', '.join(of)})" for ticker, of in tickers.items()
        ]
        more = f" and {len(names) - SHOWN_TICKERS:,} more" if len(names) > SHOWN_TICKERS else ""
        lines.append(f"{', '.join(names[:SHOWN_TICKERS])}{more}: {reason}")
    return lines
