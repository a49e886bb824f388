"""The exchange calendar: known days, and exchange_calendars itself for any day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import exchange_calendars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import calendar

DAYS = st.dates(date(1990, 1, 2), date(2045, 1, 1))


@pytest.fixture(scope="module")
def xnys() -> Any:
    return exchange_calendars.get_calendar("XNYS", start="1990-01-01", end="2046-12-31")


@given(day=DAYS)
def test_calendar_any_day_agrees_with_the_library(xnys: Any, day: date) -> None:
    text = day.isoformat()
    assert calendar.is_session(day) == xnys.is_session(text)
    following = xnys.date_to_session((day + timedelta(days=1)).isoformat(), direction="next")
    assert calendar.next_session(day) == following.date()
    assert calendar.next_open_after(day) == xnys.session_open(following)
    if calendar.is_session(day):
        assert calendar.session_open(day) == xnys.session_open(text)
        assert calendar.session_close(day) == xnys.session_close(text)
    else:
        with pytest.raises(ValueError, match="no session"):
            calendar.session_open(day)


@given(first=DAYS, days=st.integers(-3, 400))
def test_sessions_of_any_range_are_those_of_the_library(xnys: Any, first: date, days: int) -> None:
    last = first + timedelta(days=days)
    expected = [] if days < 0 else [s.date() for s in xnys.sessions_in_range(first.isoformat(), last.isoformat())]
    assert calendar.sessions(first, last) == expected


def test_calendar_known_days() -> None:
    assert calendar.session_open(date(2025, 7, 3)) == datetime(2025, 7, 3, 13, 30, tzinfo=UTC)
    assert calendar.session_close(date(2025, 7, 3)) == datetime(2025, 7, 3, 17, 0, tzinfo=UTC)  # a half day
    assert calendar.session_close(date(2025, 1, 6)) == datetime(2025, 1, 6, 21, 0, tzinfo=UTC)
    assert not calendar.is_session(date(2025, 1, 9))  # mourning of President Carter
    assert not calendar.is_session(date(1939, 1, 3))  # before the calendar begins
    assert calendar.next_session(date(2025, 7, 3)) == date(2025, 7, 7)
    assert calendar.next_open_after(date(2025, 7, 3)) == datetime(2025, 7, 7, 13, 30, tzinfo=UTC)
