"""The exchange calendar XNYS: sessions, their open and close, holidays and half days. Never arithmetic of our own."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import exchange_calendars

NEW_YORK = ZoneInfo("America/New_York")
EARLIEST = date(1940, 1, 1)  # macro series reach back that far


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Every session of some years in order, with its open and close (aware, UTC): a look-up takes a microsecond."""

    days: list[date]
    opens: list[datetime]
    closes: list[datetime]

    def place(self, day: date) -> int:
        """Return the place of session `day`.

        Raises:
            ValueError: it is none.
        """
        place = bisect_left(self.days, day)
        if place == len(self.days) or self.days[place] != day:
            raise ValueError(f"{day} is no session of the exchange")
        return place


@lru_cache(maxsize=4)
def _sessions(until_year: int) -> _Sessions:
    """Return the sessions from EARLIEST to the end of `until_year` (exchange_calendars needs bounds)."""
    calendar = exchange_calendars.get_calendar("XNYS", start=EARLIEST.isoformat(), end=f"{until_year}-12-31")
    opens = [instant.astimezone(UTC) for instant in calendar.opens.array.to_pydatetime()]
    closes = [instant.astimezone(UTC) for instant in calendar.closes.array.to_pydatetime()]
    return _Sessions([day.date() for day in calendar.sessions.to_pydatetime()], opens, closes)


def _covering(day: date) -> _Sessions:
    """Return sessions that cover `day` with a month to spare."""
    needed, soon = (day + timedelta(days=31)).year, datetime.now(UTC).year + 1
    return _sessions(soon if needed <= soon else needed + -needed % 10)  # whole decades: a table costs half a second


def is_session(day: date) -> bool:
    """Return whether the exchange opens on `day` (a New York date)."""
    days = _covering(day).days
    place = bisect_left(days, day)
    return place < len(days) and days[place] == day


def sessions(first: date, last: date) -> list[date]:
    """Return the session dates in [first, last]."""
    days = _covering(last).days
    return days[bisect_left(days, first) : bisect_right(days, last)]


def session_open(day: date) -> datetime:
    """Return the open of session `day`, aware, UTC.

    Raises:
        ValueError: it is no session.
    """
    table = _covering(day)
    return table.opens[table.place(day)]


def session_close(day: date) -> datetime:
    """Return the close of session `day` (earlier on a half day), aware, UTC.

    Raises:
        ValueError: it is no session.
    """
    table = _covering(day)
    return table.closes[table.place(day)]


def next_session(day: date) -> date:
    """Return the first session strictly after `day`."""
    days = _covering(day).days
    return days[bisect_right(days, day)]


def next_open_after(day: date) -> datetime:
    """Return the open of the first session strictly after `day`, aware, UTC.

    This is when a fact whose known time is only the date `day` counts as known: the hour of its release on that
    day is not known, and an open on the day itself could be before it.
    """
    table = _covering(day)
    return table.opens[bisect_right(table.days, day)]
