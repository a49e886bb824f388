"""The calendar beside minute bars, against the exchange calendar asked minute by minute."""

from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.features.sessions import NO_SESSION, Sessions, ordinals_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
XNYS = exchange_calendars.get_calendar("XNYS", start="2023-01-01", end="2026-12-31")


def minute_of(*at: int) -> int:
    return (datetime(*at, tzinfo=UTC) - EPOCH) // timedelta(minutes=1)


MINUTES = st.integers(minute_of(2023, 12, 20), minute_of(2025, 4, 20))


@settings(max_examples=40)
@given(st.lists(MINUTES, min_size=1, max_size=40, unique=True))
def test_each_minute_is_placed_as_the_exchange_calendar_says(chosen: list[int]) -> None:
    minutes = np.array(sorted(chosen))
    given = Sessions.of(minutes)
    seen: set[object] = set()
    for place, minute in enumerate(minutes.tolist()):
        start = EPOCH + timedelta(minutes=minute)
        day = start.astimezone(exchange_calendars.get_calendar("XNYS").tz).date()
        if not XNYS.is_session(day.isoformat()):
            assert (given.day[place], given.regular[place], given.held[place]) == (NO_SESSION, False, False)
            assert (given.minute[place], given.length[place], given.weekday[place], given.gap[place]) == (0, 0, 0, 0)
        else:
            seen.add(day)
            opens, closes = (at(day.isoformat()).to_pydatetime() for at in (XNYS.session_open, XNYS.session_close))
            before = XNYS.previous_session(day.isoformat()).date()
            assert given.regular[place] == (opens <= start < closes)
            assert given.minute[place] == (start - opens) // timedelta(minutes=1)
            assert given.length[place] == (closes - opens) // timedelta(minutes=1)
            assert given.weekday[place] == day.weekday()
            assert given.gap[place] == (day - before).days
        assert given.seen[place] == len(seen)


def test_ordinals_of_neighbouring_sessions_differ_by_one_over_new_year_and_tables() -> None:
    days = XNYS.sessions_in_range("2023-12-18", "2025-02-03")
    opens = np.array([minute_of(*XNYS.session_open(day).timetuple()[:5]) for day in days])
    together = Sessions.of(opens).day
    assert np.diff(together).tolist() == [1] * (len(days) - 1)
    alone = [int(Sessions.of(opens[i : i + 1]).day[0]) for i in range(len(days))]
    assert together.tolist() == alone == ordinals_of(opens).tolist()


@pytest.mark.parametrize(
    ("at", "regular", "minute", "length"),
    [
        ((2025, 11, 28, 14, 30), True, 0, 210),  # a half day
        ((2025, 11, 28, 17, 59), True, 209, 210),
        ((2025, 11, 28, 18, 0), False, 210, 210),
        ((2025, 3, 7, 14, 30), True, 0, 390),  # winter time
        ((2025, 3, 10, 13, 30), True, 0, 390),  # summer time
        ((2025, 3, 11, 3, 59), False, 869, 390),  # midnight in New York ends the day
        ((2025, 3, 11, 4, 0), False, -570, 390),
    ],
)
def test_edges_of_sessions_and_days_are_exact(at: tuple[int, ...], regular: bool, minute: int, length: int) -> None:
    given = Sessions.of(np.array([minute_of(*at)]))
    assert (given.regular[0], given.minute[0], given.length[0]) == (regular, minute, length)


def test_cut_rows_keep_what_the_calendar_says_of_them() -> None:
    minutes = np.arange(minute_of(2025, 3, 6), minute_of(2025, 3, 12), 7)
    whole, part = Sessions.of(minutes), Sessions.of(minutes).cut(100, 800)
    for name in ("day", "regular", "minute", "length", "weekday", "gap", "seen", "held"):
        assert np.array_equal(getattr(whole, name)[100:800], getattr(part, name))


def test_no_bars_have_no_sessions() -> None:
    empty = Sessions.of(np.empty(0, np.int64))
    assert [len(getattr(empty, name)) for name in ("day", "regular", "minute", "gap", "seen")] == [0] * 5


def test_bars_before_the_first_session_of_a_year_belong_to_it() -> None:
    new_year = Sessions.of(np.array([minute_of(2025, 1, 1, 15), minute_of(2025, 1, 2, 15)]))
    assert new_year.day[0] == NO_SESSION
    assert new_year.gap[1] == (date(2025, 1, 2) - date(2024, 12, 31)).days
