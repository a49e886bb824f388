"""Macro releases of the simulated economy: the default series with the prefix SIM., every vintage at its release."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count

from producers.simulated import economy
from producers.simulated.timeline import Timeline, new_york, on_or_after
from producers.simulated.world import World
from shared.contracts.calendar import NEW_YORK
from shared.contracts.facts import MacroVintage


@dataclass(frozen=True, slots=True)
class _Release:
    """One value as it stands from `at` on; `observed` is the first day of the period that it describes."""

    observed: date
    value: float | None
    at: datetime


def vintages(world: World, series: str, since: datetime | None, until: datetime) -> list[MacroVintage]:
    """Return what is released of a series in (since, until], in order of release.

    Args:
        world: Which world.
        series: One of SERIES.
        since: Aware; None: from the beginning, two years before the first session's.
        until: Aware.
    """
    found = [r for r in SERIES[series](world, until) if r.at <= until and (since is None or r.at > since)]
    return [
        MacroVintage(
            series=series,
            date=release.observed,
            value=release.value,
            released_at=release.at,
            released_basis="observed",
            vintage=_new_york_date(release.at),
            source="simulated",
            simulated=True,
        )
        for release in sorted(found, key=lambda r: (r.at, r.observed))
    ]


def _new_york_date(instant: datetime) -> date:
    return instant.astimezone(NEW_YORK).date()


def _months(timeline: Timeline, until: datetime) -> Iterator[tuple[int, date]]:
    """Yield (number from 0, first day) of each month that begins before `until`."""
    for number in count():
        first = economy.month_after(timeline.begins, number)
        if first > until.date():
            return
        yield number, first


def _released(day: date, hour: int, minute: int) -> datetime:
    """Return that New York time on the first session on or after `day`."""
    return new_york(on_or_after(day), hour, minute)


def _growth(world: World, until: datetime) -> Iterator[_Release]:
    """Gross domestic product: an advance, a second and a third estimate, about 1, 2 and 3 months after the quarter."""
    for number, first in _months(world.timeline, until):
        if number % 3 == 0:
            for estimate, value in enumerate(economy.product(world.seed, number // 3)):
                day = economy.month_after(first, 3 + estimate).replace(day=28)
                yield _Release(first, value, _released(day, 8, 30))


def _prices(world: World, until: datetime) -> Iterator[_Release]:
    """Consumer prices: about the 12th of the next month; each February's release revises the twelve months before."""
    for number, first in _months(world.timeline, until):
        at = _released(economy.month_after(first, 1).replace(day=12), 8, 30)
        yield _Release(first, economy.prices(world.seed, number), at)
        if first.month == 1:
            for earlier in range(max(0, number - 12), number):
                revised = economy.prices(world.seed, earlier, revision=first.year)
                yield _Release(economy.month_after(world.timeline.begins, earlier), revised, at)


def _unemployment(world: World, until: datetime) -> Iterator[_Release]:
    """Unemployment: the next month's first Friday; some values are revised with the release after that."""
    for number, first in _months(world.timeline, until):
        value, revised = economy.unemployment(world.seed, number)
        for delay, figure in enumerate((value, revised)):
            month = economy.month_after(first, 1 + delay)
            friday = month + timedelta(days=(4 - month.weekday()) % 7)
            if delay == 0 or figure != value:
                yield _Release(first, figure, _released(friday, 8, 30))


def _policy_rate(world: World, until: datetime) -> Iterator[_Release]:
    """The month's mean policy rate: on the next month's first session, never revised."""
    for number, first in _months(world.timeline, until):
        at = _released(economy.month_after(first, 1), 16, 15)
        yield _Release(first, economy.policy_rate(world.seed, number), at)


def _daily(
    value: Callable[[World, int], float], hour: int, minute: int
) -> Callable[[World, datetime], Iterator[_Release]]:
    """Return a series of one value a session, after its close; other weekdays have a null, told one session later."""

    def releases(world: World, until: datetime) -> Iterator[_Release]:
        timeline = world.timeline
        expected = timeline.begins
        for ordinal in count(-timeline.before):
            session = timeline.session(ordinal)
            at = session.at(hour, minute)
            while expected < session.day:
                if expected.weekday() < 5:
                    yield _Release(expected, None, at)
                expected += timedelta(days=1)
            yield _Release(session.day, value(world, ordinal), at)
            expected += timedelta(days=1)
            if at > until:
                return

    return releases


SERIES: dict[str, Callable[[World, datetime], Iterator[_Release]]] = {
    "SIM.GDPC1": _growth,
    "SIM.CPIAUCSL": _prices,
    "SIM.FEDFUNDS": _policy_rate,
    "SIM.DGS10": _daily(economy.ten_years, 18, 0),
    "SIM.DGS2": _daily(economy.two_years, 18, 0),
    "SIM.T10Y2Y": _daily(economy.slope, 18, 0),
    "SIM.UNRATE": _unemployment,
    "SIM.VIXCLS": _daily(economy.implied_volatility, 16, 30),
}
"""The series that exist, by name."""
