"""The exchange calendar as arrays beside minute bars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
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


class Sessions:
    """Where each bar lies in the calendar; what is not asked for is not made.

    A bar belongs to the session of its New York date: extended hours to the regular hours that they surround. On a
    date without a session `day` is NO_SESSION and every other number but `seen` is 0.

    Args:
        minutes: Start of each bar, minutes since 1970 (UTC), increasing.
        table: Covers them.
        place: Of each bar's session in the table; -1 where there is none.
        seen: How many sessions with bars have begun since the first bar, this row's included.
    """

    def __init__(self, minutes: Ints, table: SessionTable, place: Ints, seen: Ints) -> None:
        self._minutes = minutes
        self._table = table
        self._place = place
        self.seen = seen

    @classmethod
    def of(cls, minutes: Ints) -> Sessions:
        """Return the calendar at these minutes (since 1970, UTC, increasing)."""
        if minutes.size == 0:
            return cls(minutes, session_table(1970, 1970), np.empty(0, np.int64), np.empty(0, np.int64))
        table = table_of(minutes)
        # Few sessions are looked up among many bars, not the other way round.
        firsts, ends = np.searchsorted(minutes, table.begins), np.searchsorted(minutes, table.ends)
        held = np.flatnonzero(ends > firsts)
        # Runs of bars: those before the first session, of it, between it and the next, of that, and so on.
        edges = np.concatenate(([0], np.stack((firsts[held], ends[held]), axis=1).ravel(), [minutes.size]))
        place, seen = np.full((2, edges.size - 1), -1)
        place[1::2] = held
        seen[0::2] = np.arange(held.size + 1)
        seen[1::2] = np.arange(1, held.size + 1)
        counts = np.diff(edges)
        return cls(minutes, table, np.repeat(place, counts), np.repeat(seen, counts))

    def cut(self, first: int, end: int | None = None) -> Sessions:
        """Return the rows [first, end)."""
        part = slice(first, end)
        return Sessions(self._minutes[part], self._table, self._place[part], self.seen[part])

    @cached_property
    def held(self) -> NDArray[np.bool_]:
        """Return whether the bar's New York date is a session."""
        return np.asarray(self._place >= 0)

    @cached_property
    def day(self) -> Ints:
        """Return the ordinal of that session: 1 more than the session's before."""
        return np.where(self.held, self._place + self._table.first, NO_SESSION)

    @cached_property
    def minute(self) -> Ints:
        """Return the minutes since that session's open, negative before it."""
        return np.where(self.held, self._minutes - self._table.opens[self._place], 0)

    @cached_property
    def length(self) -> Ints:
        """Return the minutes of that session: 390, or fewer on a half day."""
        return np.where(self.held, (self._table.closes - self._table.opens)[self._place], 0)

    @cached_property
    def regular(self) -> NDArray[np.bool_]:
        """Return whether the bar lies in the regular session, [open, close)."""
        return np.asarray((self.minute >= 0) & (self.minute < self.length))

    @cached_property
    def weekday(self) -> Ints:
        """Return the weekday of the session, Monday = 0."""
        return np.where(self.held, ((self._table.dates + 3) % 7)[self._place], 0)  # 1970 began on a Thursday

    @cached_property
    def gap(self) -> Ints:
        """Return the days from the previous session's date to this one's."""
        days = np.diff(self._table.dates, prepend=self._table.dates[0])  # the table begins a month before any bar
        return np.where(self.held, days[self._place], 0)

    def where_held(self, values: Ints) -> Floats:
        """Return `values` as floats; NaN where the date is no session."""
        return np.where(self.held, values.astype(np.float64), np.nan)


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
