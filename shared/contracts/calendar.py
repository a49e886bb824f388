"""The exchange calendar XNYS: sessions, their open and close, holidays and half days. Never arithmetic of our own."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars

NEW_YORK = ZoneInfo("America/New_York")
EARLIEST = date(1940, 1, 1)  # macro series reach back that far


@lru_cache(maxsize=4)
def _calendar(until_year: int) -> Any:
    """Return XNYS from EARLIEST to the end of `until_year` (exchange_calendars needs bounds)."""
    return exchange_calendars.get_calendar("XNYS", start=EARLIEST.isoformat(), end=f"{until_year}-12-31")


def _covering(day: date) -> Any:
    """Return a calendar that covers `day` with a month to spare."""
    return _calendar(max((day + timedelta(days=31)).year, datetime.now(UTC).year))


def is_session(day: date) -> bool:
    """Return whether the exchange opens on `day` (a New York date)."""
    return day >= EARLIEST and bool(_covering(day).is_session(day.isoformat()))


def sessions(first: date, last: date) -> list[date]:
    """Return the session dates in [first, last]."""
    return [s.date() for s in _covering(last).sessions_in_range(first.isoformat(), last.isoformat())]


@lru_cache(maxsize=16_384)
def session_open(day: date) -> datetime:
    """Return the open of session `day`, aware, UTC."""
    opened: datetime = _covering(day).session_open(day.isoformat()).to_pydatetime()
    return opened.astimezone(UTC)


@lru_cache(maxsize=16_384)
def session_close(day: date) -> datetime:
    """Return the close of session `day` (earlier on a half day), aware, UTC."""
    closed: datetime = _covering(day).session_close(day.isoformat()).to_pydatetime()
    return closed.astimezone(UTC)


@lru_cache(maxsize=16_384)
def next_session(day: date) -> date:
    """Return the first session strictly after `day`."""
    following: date = _covering(day).date_to_session((day + timedelta(days=1)).isoformat(), direction="next").date()
    return following


@lru_cache(maxsize=16_384)
def next_open_after(day: date) -> datetime:
    """Return the open of the first session strictly after `day`, aware, UTC.

    This is when a fact whose known time is only the date `day` counts as known: the hour of its release on that
    day is not known, and an open on the day itself could be before it.
    """
    return session_open(next_session(day))
