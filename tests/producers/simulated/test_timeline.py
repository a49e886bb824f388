from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.simulated.timeline import Timeline, new_york

# The New York Stock Exchange's calendar of 2025: closed on these weekdays, and closing at 13:00 on the half days.
CLOSED_2025 = (
    *("2025-01-01", "2025-01-09", "2025-01-20", "2025-02-17", "2025-04-18", "2025-05-26", "2025-06-19"),
    *("2025-07-04", "2025-09-01", "2025-11-27", "2025-12-25"),
)
HALF_2025 = (date(2025, 7, 3), date(2025, 11, 28), date(2025, 12, 24))


def test_timeline_2025_has_the_sessions_and_half_days_of_the_exchange() -> None:
    days = np.arange(np.datetime64("2025-01-01"), np.datetime64("2026-01-01"))
    expected = days[np.is_busday(days, holidays=[np.datetime64(day) for day in CLOSED_2025])]
    timeline = Timeline(date(2025, 1, 1), len(expected))
    assert [s.day for s in timeline.history] == [day.item() for day in expected]
    assert {s.day for s in timeline.history if s.minutes == 210} == set(HALF_2025)
    assert {s.minutes for s in timeline.history} == {210, 390}


@pytest.mark.parametrize(("day", "hour"), [(date(2025, 1, 10), 14), (date(2025, 7, 10), 13)])
def test_session_open_follows_new_yorks_clock(day: date, hour: int) -> None:
    session = Timeline(day, 1).session(0)
    assert (session.open.hour, session.open.minute) == (hour, 30)
    assert session.open == new_york(day, 9, 30)


def test_timeline_before_history_begins_two_years_earlier() -> None:
    timeline = Timeline(date(2025, 1, 2), 5)
    first = timeline.session(-timeline.before)
    assert (timeline.begins, first.day) == (date(2023, 1, 1), date(2023, 1, 3))
    assert timeline.session(-1).day == date(2024, 12, 31)


def test_history_end_is_the_midnight_after_the_last_session() -> None:
    timeline = Timeline(date(2025, 1, 2), 2)
    assert timeline.history_end == new_york(date(2025, 1, 4), 0, 0)


@settings(max_examples=25, deadline=None)
@given(st.dates(date(1995, 1, 1), date(2024, 12, 31)), st.integers(0, 900))
def test_timeline_any_place_is_the_same_however_it_is_reached(start: date, ordinal: int) -> None:
    straight, stepwise = Timeline(start, 1), Timeline(start, 1)
    for place in range(0, ordinal, 97):
        stepwise.session(place)
    assert straight.session(ordinal) == stepwise.session(ordinal)
    assert straight.session(ordinal).ordinal == ordinal
    assert straight.session(ordinal + 1).day - straight.session(ordinal).day <= timedelta(days=7)
