"""The sessions of the simulated world by ordinal: 0 is the first of history, negative ones lie before it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from shared.contracts import calendar

YEARS_BEFORE = 2
"""Macro observations and volatility begin on 1 January, this many years before the first session's year."""
_STEP = timedelta(days=400)


@dataclass(frozen=True)
class Session:
    """One trading day.

    Attributes:
        ordinal: 0 for the first session of history.
        day: New York date.
    """

    ordinal: int
    day: date

    @cached_property
    def open(self) -> datetime:
        """Return the regular open, aware, UTC."""
        return calendar.session_open(self.day)

    @cached_property
    def close(self) -> datetime:
        """Return the regular close, aware, UTC."""
        return calendar.session_close(self.day)

    @property
    def minutes(self) -> int:
        """Return the length of the regular session: 390, or 210 on a half day."""
        return int((self.close - self.open).total_seconds()) // 60

    def at(self, hour: int, minute: int) -> datetime:
        """Return an instant of this day by New York's clock, aware, UTC."""
        return new_york(self.day, hour, minute)


class Timeline:
    """All sessions: those before history, those of history, and any number after it.

    Args:
        start: The first session is the first one on or after this date.
        sessions: How many sessions history has.
    """

    def __init__(self, start: date, sessions: int) -> None:
        first = on_or_after(start)
        self.begins = date(first.year - YEARS_BEFORE, 1, 1)
        before = calendar.sessions(self.begins, first - timedelta(days=1))
        self.before = len(before)
        self.sessions = sessions
        self._all = [Session(i - self.before, day) for i, day in enumerate([*before, first])]
        self._until = first

    def session(self, ordinal: int) -> Session:
        """Return the session of that ordinal; at least minus `before`."""
        while ordinal + self.before >= len(self._all):
            upto = self._until + _STEP
            days = calendar.sessions(self._until + timedelta(days=1), upto)
            self._all += [Session(len(self._all) - self.before + i, day) for i, day in enumerate(days)]
            self._until = upto
        return self._all[ordinal + self.before]

    @property
    def history(self) -> list[Session]:
        """Return the sessions of history."""
        return [self.session(i) for i in range(self.sessions)]

    @cached_property
    def history_end(self) -> datetime:
        """Return the instant up to which history tells everything known: midnight, New York, after its last session."""
        return new_york(self.session(self.sessions - 1).day + timedelta(days=1), 0, 0)


def new_york(day: date, hour: int, minute: int) -> datetime:
    """Return a wall-clock time of New York as an aware instant, UTC."""
    return datetime.combine(day, time(hour, minute), calendar.NEW_YORK).astimezone(UTC)


def on_or_after(day: date) -> date:
    """Return the first session on or after `day`."""
    return calendar.next_session(day - timedelta(days=1))
