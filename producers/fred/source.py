"""Macro history from FRED: every vintage of every observation, known from the session after its vintage date."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from pydantic import ValidationError

from producers.fred.client import MISSING, PatientFred
from producers.fred.settings import FredSettings
from producers.fred.vintages import Change, changes, in_force, periods
from producers.source import Fact, Item, Note, Refused, Unit
from producers.web import Sleep
from shared.clock import Clock, SystemClock
from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.calendar import NEW_YORK, next_open_after
from shared.contracts.facts import MacroVintage
from shared.errors import ConfigurationError

NAME: Final = "fred"
MOST_VINTAGES: Final = 1900  # FRED refuses more than 2,000 vintage dates in one request


class FredVintages:
    """The observations of `series` from `start` on, as they were known on each day up to `end`.

    A vintage is told by FRED as a date only, so `released_at` is the open of the next session after it (observed).
    ALFRED's record of a series begins at some date, often long after the series itself; what was in force on that
    first vintage date had been released at some earlier time that FRED does not tell. Such values are marked
    `latest_plausible`: they count as known too late, never too early. A value that FRED withdrew becomes null from
    that vintage on. Vintages end with yesterday (New York) at the latest, because today's may still come.

    Args:
        settings: Key, address and limits.
        series: FRED's names, such as `CPIAUCSL`.
        start: First observation date; choose it so early that the bars of the range find a value that is in force.
        end: Last vintage date, inclusive.
        clock: Tells today, and measures the rate.
        sleep: Waits; a test moves its clock instead.

    Raises:
        ConfigurationError: no series, simulated ones, or an empty range.
    """

    def __init__(
        self,
        settings: FredSettings,
        series: Sequence[str],
        start: date,
        end: date,
        clock: Clock | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        clock = clock or SystemClock()
        self._series = tuple(dict.fromkeys(series))
        if not self._series:
            raise ConfigurationError("no series to read from FRED: name some with --series")
        made_up = [s for s in self._series if s.startswith(SIMULATED_PREFIX)]
        if made_up:
            raise ConfigurationError(f"{made_up[0]} is a simulated series and cannot be read from FRED")
        self._start = start
        self._end = min(end, clock.now().astimezone(NEW_YORK).date() - timedelta(days=1))
        if self._start > self._end:
            raise ConfigurationError(f"no vintages between {start} and {self._end}: begin before today")
        self._fred = PatientFred(settings, clock, sleep)

    @property
    def name(self) -> str:
        return NAME

    @property
    def simulated(self) -> bool:
        return False

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"series": list(self._series), "start": self._start.isoformat(), "end": self._end.isoformat()}

    @property
    def run_set(self) -> str:
        return f"{NAME}:{','.join(self._series)}"

    def units(self) -> Sequence[Unit]:
        return [Unit(f"series/{series}", 1) for series in self._series]

    def read(self, unit: Unit) -> Iterator[Item]:
        series = unit.id.removeprefix("series/")
        vintage_dates = [day for day in self._fred.vintage_dates(series) if day <= self._end]
        if not vintage_dates:
            yield Note(NAME, f"{series} has no vintage up to {self._end}")
            return
        before: dict[date, str] = {}
        rows = itertools.count(1)
        for period in periods(vintage_dates, self._end, MOST_VINTAGES):
            intervals = list(self._fred.intervals(series, self._start, period))
            for change in changes(period, intervals, before):
                yield _item_of(series, change, vintage_dates[0], next(rows))
            before = in_force(period, intervals)


def _item_of(series: str, change: Change, first_vintage: date, row: int) -> Fact | Refused:
    """Return the message for one change, or its dead letter."""
    released_at = next_open_after(change.vintage)
    # Of a period that lies after ALFRED's first vintage date nothing can have been released before.
    unknown_release = change.vintage == first_vintage and released_at.date() > change.observed
    try:
        message = MacroVintage(
            series=series,
            date=change.observed,
            value=None if change.value == MISSING else float(change.value),
            released_at=released_at,
            released_basis="latest_plausible" if unknown_release else "observed",
            vintage=change.vintage,
            source=NAME,
        )
    except ValidationError as error:
        reason = str(error.errors(include_url=False)[0]["msg"])
    except ValueError as error:
        reason = str(error)
    else:
        return Fact(series, message, NAME)
    raw = f"{series} {change.observed} {change.vintage} {change.value}".encode()
    return Refused(NAME, row, raw, len(raw), reason, "bad_observation")
