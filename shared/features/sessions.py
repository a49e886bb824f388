"""The exchange calendar as arrays beside minute bars."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shared.contracts import calendar
from shared.features.arrays import Floats, Ints

NO_SESSION: Final = -1
"""The `day` of a bar on a date without a session."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SessionTable:
    """Sessions in order, of some whole years and a month around them; times are minutes since 1970, UTC.

    Attributes:
        first: How many sessions there are before the first one, from calendar.EARLIEST on.
        dates: New York dates, days since 1970.
        begins: Midnight, New York, at which the date begins.
        ends: Midnight, New York, at which it ends.
        opens: Regular open.
        closes: Regular close, exclusive.
    """

    first: int
    dates: Ints
    begins: Ints
    ends: Ints
    opens: Ints
    closes: Ints


@dataclass(frozen=True, slots=True)
class Sessions:
    """Where each bar lies in the calendar.

    A bar belongs to the session of its New York date: extended hours to the regular hours that they surround.

    Attributes:
        day: Ordinal of the session of the bar's New York date (1 more than the session's before); -1 where the date
            is no session, and then every number below but `seen` is 0.
        regular: Whether the bar lies in the regular session, [open, close).
        minute: Minutes since that session's open, negative before it.
        length: Minutes of that session, 390 or fewer on a half day.
        weekday: Its weekday, Monday = 0.
        gap: Days from the previous session's date to this one's.
        seen: How many sessions with bars have begun since the first bar, this row's included.
    """

    day: Ints
    regular: NDArray[np.bool_]
    minute: Ints
    length: Ints
    weekday: Ints
    gap: Ints
    seen: Ints

    @classmethod
    def of(cls, minutes: Ints) -> Sessions:
        """Return the calendar at these minutes (since 1970, UTC, increasing)."""
        if minutes.size == 0:
            none = np.empty(0, np.int64)
            return cls(none, np.empty(0, np.bool_), none, none, none, none, none)
        table = table_of(minutes)
        # Few sessions are looked up among many bars, not the other way round.
        firsts, ends = np.searchsorted(minutes, table.begins), np.searchsorted(minutes, table.ends)
        held = np.flatnonzero(ends > firsts)
        held = held[held > 0]  # the table begins a month early, so the session before is always there
        counts = ends[held] - firsts[held]
        at = _places(firsts[held], counts)
        inside = minutes[at]

        def spread(values: Ints) -> Ints:
            return _filled(minutes.size, at, np.repeat(values, counts), 0)

        opens = np.repeat(table.opens[held], counts)
        regular = np.zeros(minutes.size, np.bool_)
        regular[at] = (inside >= opens) & (inside < np.repeat(table.closes[held], counts))
        begun = np.zeros(minutes.size, np.int64)
        begun[firsts[held]] = 1
        return cls(
            day=_filled(minutes.size, at, np.repeat(held + table.first, counts), NO_SESSION),
            regular=regular,
            minute=_filled(minutes.size, at, inside - opens, 0),
            length=spread((table.closes - table.opens)[held]),
            weekday=spread((table.dates[held] + 3) % 7),  # 1970 began on a Thursday
            gap=spread(table.dates[held] - table.dates[held - 1]),
            seen=np.cumsum(begun),
        )

    def cut(self, first: int, end: int | None = None) -> Sessions:
        """Return the rows [first, end)."""
        return Sessions(*(getattr(self, field.name)[first:end] for field in fields(self)))

    def where_held(self, values: Ints) -> Floats:
        """Return `values` as floats; NaN where the date is no session."""
        return np.where(self.day != NO_SESSION, values.astype(np.float64), np.nan)


def table_of(minutes: Ints) -> SessionTable:
    """Return a table that covers `minutes` (since 1970, UTC, increasing, at least one)."""
    first, last = (EPOCH + timedelta(minutes=int(m)) for m in (minutes[0], minutes[-1]))
    return session_table(first.year, last.year)


def ordinals_of(opens: Ints) -> Ints:
    """Return the ordinals (`Sessions.day`) of the sessions that open at these minutes (increasing, at least one)."""
    table = table_of(opens)
    return np.asarray(np.searchsorted(table.opens, opens) + table.first)


@lru_cache(maxsize=16)
def session_table(first_year: int, last_year: int) -> SessionTable:
    """Return the sessions of those years, and those of the month before and after."""
    days = calendar.sessions(date(first_year - 1, 12, 1), date(last_year + 1, 1, 31))
    return SessionTable(
        first=len(calendar.sessions(calendar.EARLIEST, days[0])) - 1,
        dates=np.array([(day - EPOCH.date()).days for day in days], np.int64),
        begins=_minutes([_midnight(day) for day in days]),
        ends=_minutes([_midnight(day + timedelta(days=1)) for day in days]),
        opens=_minutes([calendar.session_open(day) for day in days]),
        closes=_minutes([calendar.session_close(day) for day in days]),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), calendar.NEW_YORK)


def _minutes(instants: list[datetime]) -> Ints:
    return np.array([(instant - EPOCH) // timedelta(minutes=1) for instant in instants], np.int64)


def _places(firsts: Ints, counts: Ints) -> Ints:
    """Return the places first, first + 1, ... of each run, one run after the other."""
    before = np.cumsum(counts) - counts
    places: Ints = np.arange(int(counts.sum()), dtype=np.int64) + np.repeat(firsts - before, counts)
    return places


def _filled(size: int, at: Ints, values: Ints, otherwise: int) -> Ints:
    filled = np.full(size, otherwise, np.int64)
    filled[at] = values
    return filled
