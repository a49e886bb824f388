"""Fills holes of the live stream from history: before it began, and whenever the connection was lost."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from producers.alpaca.client import clients
from producers.alpaca.settings import AlpacaSettings
from producers.alpaca.source import ask_bars
from shared.clock import Clock
from shared.contracts.calendar import NEW_YORK

# How far a hole begins before its loss was noticed: a mute connection is noticed after 30 s, late trades update a
# bar for some minutes.
MARGIN: Final = timedelta(minutes=5)
# The last bar before a subscription may reach history only after the first answer from there.
SETTLED: Final = timedelta(seconds=75)
# Plans without the sip feed may read it from history 15 minutes late.
DELAY: Final = timedelta(minutes=16)
# One request at a time bounds memory: twenty tickers of a day are about two pages.
TICKERS_A_REQUEST: Final = 20
SPAN: Final = timedelta(days=1)
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Filled:
    """Raw bars by ticker, read from history at `at` for the hole before connection `session`."""

    session: int
    at: datetime
    bars: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Job:
    """A span to read; `late`: once more, for what had not settled."""

    session: int
    span: Span
    late: bool = False


@dataclass(frozen=True, slots=True)
class _Done:
    """A job is answered whole."""

    job: _Job


class _StoppedError(Exception):
    """The filler is told to stop while it waits."""


class HoleFiller:
    """Reads holes from history in a thread of its own, while the stream goes on. A context manager; for one reader.

    Args:
        settings: Keys, feed and limits.
        tickers: Whose bars to read.
        clock: Tells when a delayed job is due, and stamps answers.
    """

    def __init__(self, settings: AlpacaSettings, tickers: Sequence[str], clock: Clock) -> None:
        self._settings = settings
        self._tickers = tuple(tickers)
        self._clock = clock
        self._shift = DELAY if settings.alpaca_feed == "delayed_sip" else timedelta(0)
        self._later: list[tuple[float, _Job]] = []
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Filled | _Done | Exception] = queue.SimpleQueue()
        self._open = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alpaca-holes", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._jobs.put(None)
        self._thread.join(timeout=2)

    def fill(self, session: int, since: datetime, until: datetime) -> None:
        """Ask for the hole [since, until], now, and for its last minutes once more when history has settled."""
        since -= self._shift
        until += timedelta(minutes=1) - self._shift
        due = self._clock.monotonic() + SETTLED.total_seconds()
        self._later.append((due, _Job(session, (until - MARGIN, until), late=True)))
        while since < until:
            end = min(since + SPAN, until)
            self._jobs.put(_Job(session, (since, end)))
            self._open += 1
            since = end

    @property
    def filling(self) -> bool:
        """Return whether a hole is asked for and not answered whole yet, as far as `answers` has told."""
        return self._open > 0

    def answers(self) -> list[Filled]:
        """Return what has been read since the last call.

        Raises:
            TransientError: Alpaca did not answer within the bounds of retry.
            ConfigurationError: the keys or the feed are refused.
        """
        now = self._clock.monotonic()
        for _, job in (entry for entry in self._later if entry[0] <= now):
            self._jobs.put(job)
        self._later = [entry for entry in self._later if entry[0] > now]
        found = []
        while not self._answers.empty():
            answer = self._answers.get()
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, Filled):
                found.append(answer)
            elif not answer.job.late:
                self._open -= 1
        return found

    def _run(self) -> None:
        client, _ = clients(self._settings, self._clock, self._sleep)
        while (job := self._jobs.get()) is not None and not self._over.is_set():
            try:
                for first in range(0, len(self._tickers), TICKERS_A_REQUEST):
                    tickers = self._tickers[first : first + TICKERS_A_REQUEST]
                    today = self._clock.now().astimezone(NEW_YORK).date()
                    bars = ask_bars(client, self._settings, tickers, job.span, today)
                    self._answers.put(Filled(job.session, self._clock.now(), bars))
                self._answers.put(_Done(job))
            except _StoppedError:
                return
            except Exception as error:  # the reader raises it: an error must not die with this thread
                self._answers.put(error)

    def _sleep(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise _StoppedError
