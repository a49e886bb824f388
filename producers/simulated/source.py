"""History of the simulated exchange, as three sources: bars with corporate actions, macro vintages, filings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from producers.simulated.actions import actions
from producers.simulated.filings import filings
from producers.simulated.macro import SERIES, vintages
from producers.simulated.settings import SimulatedSettings
from producers.simulated.tickers import Company
from producers.simulated.timeline import Session
from producers.simulated.world import World
from producers.source import Bars, Fact, Item, Unit
from shared.contracts.facts import CorporateAction, Filing, MacroVintage

NAME = "simulated"
_ACTIONS = "actions"


class _SimulatedSource:
    """What the three sources share.

    Args:
        settings: The world.
        dataset: What of it this source tells.
    """

    def __init__(self, settings: SimulatedSettings, dataset: str) -> None:
        self._world = World(settings)
        self._dataset = dataset

    @property
    def name(self) -> str:
        return NAME

    @property
    def simulated(self) -> bool:
        return True

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"dataset": self._dataset, **self._world.settings.world}

    @property
    def run_set(self) -> str:
        return f"{NAME} {self._dataset} of {self._world.settings.simulated_tickers} tickers"


class SimulatedHistory(_SimulatedSource):
    """Bars, one unit a ticker and month, and before them the ticker's corporate actions, one unit.

    Args:
        settings: The world.
    """

    def __init__(self, settings: SimulatedSettings) -> None:
        super().__init__(settings, "stock")

    def units(self) -> Sequence[Unit]:
        """Return the units, ticker after ticker; weights are bars to expect."""
        return [Unit(id_, weight) for company in self._world.companies for id_, weight in self._units_of(company)]

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the actions of a ticker, or its bars of one month, an ISO week an item.

        A week belongs to the month of its Thursday. Revised bars come twice, by their known_at.
        """
        ticker, part = unit.id.split("/")
        company = next(c for c in self._world.companies if c.ticker == ticker)
        if part == _ACTIONS:
            timeline = self._world.timeline
            yield from facts(actions(company, timeline, None, timeline.history_end))
            return
        for week in self._weeks(part):
            yield Bars(self._world.bars(company, week), origin=NAME)

    def _units_of(self, company: Company) -> Iterator[tuple[str, int]]:
        yield f"{company.ticker}/{_ACTIONS}", 1
        for month, sessions in groupby(self._world.timeline.history, _month):
            yield f"{company.ticker}/{month}", sum(session.minutes for session in sessions)

    def _weeks(self, month: str) -> Iterator[list[Session]]:
        sessions = (s for s in self._world.timeline.history if _month(s) == month)
        for _, week in groupby(sessions, _thursday):
            yield list(week)


class SimulatedMacro(_SimulatedSource):
    """Macro vintages, one unit a series.

    Args:
        settings: The world.
    """

    def __init__(self, settings: SimulatedSettings) -> None:
        super().__init__(settings, "macro")

    def units(self) -> Sequence[Unit]:
        """Return the units; weights are vintages to expect."""
        timeline = self._world.timeline
        sessions = timeline.before + timeline.sessions
        daily = {"SIM.DGS10", "SIM.DGS2", "SIM.T10Y2Y", "SIM.VIXCLS"}
        return [Unit(series, sessions if series in daily else sessions // 15) for series in SERIES]

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield every vintage of the series up to the end of history, in order of release."""
        yield from facts(vintages(self._world, unit.id, None, self._world.timeline.history_end))


class SimulatedFilings(_SimulatedSource):
    """Company filings, one unit a ticker.

    Args:
        settings: The world.
    """

    def __init__(self, settings: SimulatedSettings) -> None:
        super().__init__(settings, "company")

    def units(self) -> Sequence[Unit]:
        """Return the units, all of one weight."""
        return [Unit(company.ticker, 1) for company in self._world.companies]

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield every filing of the ticker up to the end of history, in order of acceptance."""
        timeline = self._world.timeline
        company = next(c for c in self._world.companies if c.ticker == unit.id)
        yield from facts(filings(company, timeline, None, timeline.history_end))


def facts(messages: Iterable[CorporateAction | MacroVintage | Filing]) -> Iterator[Fact]:
    """Yield each message with its key: ticker, series or symbol."""
    for message in messages:
        match message:
            case CorporateAction():
                yield Fact(message.ticker, message, NAME)
            case MacroVintage():
                yield Fact(message.series, message, NAME)
            case Filing():
                yield Fact(message.symbol, message, NAME)


def _thursday(session: Session) -> date:
    """Return the Thursday of the session's ISO week (a session with extended hours ends in the week it began in)."""
    return session.day + timedelta(days=3 - session.day.weekday())


def _month(session: Session) -> str:
    return f"{_thursday(session):%Y-%m}"
