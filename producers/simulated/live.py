"""The simulated exchange going on after its history: minute after minute by a simulated clock, nights skipped."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from producers.simulated.actions import actions
from producers.simulated.filings import filings
from producers.simulated.macro import SERIES, vintages
from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import NAME, facts
from producers.simulated.timeline import Session
from producers.simulated.world import World
from producers.source import Bars, Fact, Item
from shared.clock import Clock
from shared.contracts.facts import CorporateAction, Filing, MacroVintage

Dataset = Literal["bars", "actions", "macro", "filings"]
EVERYTHING: frozenset[Dataset] = frozenset({"bars", "actions", "macro", "filings"})
_MINUTE = timedelta(minutes=1)
_AFTER_CLOSE = timedelta(seconds=5)  # when a minute's bars are all known
_LONGEST_WAIT = 0.5  # real seconds


@dataclass(slots=True)
class _Rows:
    """The bars of one ticker that are still to be told, by known_at; `next` is the first of them."""

    frame: pl.DataFrame
    known_at: NDArray[np.int64]
    next: int = 0

    def until(self, instant: datetime) -> pl.DataFrame | None:
        """Return what becomes known up to `instant` and was not told yet."""
        upto = int(np.searchsorted(self.known_at, _microseconds(instant), side="right"))
        start, self.next = self.next, max(self.next, upto)
        return self.frame.slice(start, self.next - start) if self.next > start else None


class SimulatedLive:
    """Bars, corrections and facts as they become known after the end of history.

    What is told, and in which order, depends on the settings of the world only; the pace is SIMULATED_SPEED.

    Args:
        settings: World and pace.
        clock: Measures the pace.
        resume_after: Everything known up to this instant (aware) was told before: pass the greatest known_at, or
            released_at, or filed_at, that was delivered. An earlier instant repeats items and loses none.
        datasets: What to tell.
        wait: Waits for so many real seconds.
    """

    def __init__(
        self,
        settings: SimulatedSettings,
        clock: Clock,
        resume_after: datetime | None = None,
        datasets: frozenset[Dataset] = EVERYTHING,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._world = World(settings)
        self._clock = clock
        self._told = max(self._world.timeline.history_end, resume_after or self._world.timeline.history_end)
        self._datasets = datasets
        self._wait = wait

    @property
    def name(self) -> str:
        return NAME

    @property
    def simulated(self) -> bool:
        return True

    def stream(self, stopping: Callable[[], bool]) -> Iterator[Sequence[Item]]:
        """Yield a batch for each simulated minute of trading, and one for each night, until `stopping`."""
        settings = self._world.settings
        due = self._clock.monotonic()
        for instant, overnight, items in self._steps():
            pause = settings.simulated_pause_seconds if overnight else 60.0 / settings.simulated_speed
            due = max(due + pause, self._clock.monotonic() - 1.0)  # after a standstill: no burst to make up for it
            while (left := due - self._clock.monotonic()) > 0:
                if stopping():
                    return
                self._wait(min(left, _LONGEST_WAIT))
                if left > _LONGEST_WAIT:
                    yield ()
            if stopping():
                return
            yield items
            self._told = instant

    def _steps(self) -> Iterator[tuple[datetime, bool, list[Item]]]:
        """Yield (instant, whether a night ends with it, what became known since the step before)."""
        since = self._told
        left: list[_Rows] = []
        for ordinal in count(self._first_session()):
            session = self._world.timeline.session(ordinal)
            instants = self._instants(session)
            known = self._facts(since, instants[-1])
            rows = left + self._rows(ordinal, since)
            for place, instant in enumerate(instants):
                if instant > since:
                    yield instant, place == 0, self._told_by(instant, rows, known)
            since = max(since, instants[-1])
            left = [r for r in rows if r.next < len(r.known_at)]

    def _first_session(self) -> int:
        """Return the last session after history that opens up to where the telling goes on, else the first."""
        ordinal = self._world.timeline.sessions
        while self._world.timeline.session(ordinal + 1).open <= self._told:
            ordinal += 1
        return ordinal

    def _instants(self, session: Session) -> list[datetime]:
        """Return the session's steps: the end of the night before it, then the end of each of its minutes."""
        offsets = self._world.minutes(session)
        first = session.open + _MINUTE * int(offsets[0]) + _AFTER_CLOSE
        return [first + _MINUTE * place for place in range(len(offsets) + 1)]

    def _rows(self, ordinal: int, since: datetime) -> list[_Rows]:
        if "bars" not in self._datasets:
            return []
        found = []
        for company in self._world.companies:
            frame = self._world.bars(company, [self._world.timeline.session(ordinal)]).sort("known_at")
            rows = _Rows(frame, frame["known_at"].to_physical().to_numpy())
            rows.until(since)
            found.append(rows)
        return found

    def _facts(self, since: datetime, until: datetime) -> list[tuple[datetime, Fact]]:
        """Return what becomes known in (since, until], the latest first."""
        world, found = self._world, list[CorporateAction | MacroVintage | Filing]()
        for company in world.companies:
            if "actions" in self._datasets:
                found += actions(company, world.timeline, since, until)
            if "filings" in self._datasets:
                found += filings(company, world.timeline, since, until)
        if "macro" in self._datasets:
            for series in SERIES:
                found += vintages(world, series, since, until)
        told = [(_known(message), fact) for message, fact in zip(found, facts(found), strict=True)]
        return sorted(told, key=lambda pair: pair[0], reverse=True)

    @staticmethod
    def _told_by(instant: datetime, rows: list[_Rows], known: list[tuple[datetime, Fact]]) -> list[Item]:
        items: list[Item] = []
        while known and known[-1][0] <= instant:
            items.append(known.pop()[1])
        frames = (r.until(instant) for r in rows)
        return items + [Bars(frame, origin=NAME) for frame in frames if frame is not None]


def _known(message: CorporateAction | MacroVintage | Filing) -> datetime:
    match message:
        case CorporateAction():
            return message.known_at
        case MacroVintage():
            return message.released_at
        case Filing():
            return message.filed_at


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000 + instant.microsecond
