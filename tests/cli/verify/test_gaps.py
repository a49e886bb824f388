"""Missing minutes are counted by the exchange's calendar: a holiday lacks nothing, half a day no more than it has."""

from datetime import UTC, date, datetime, time

import numpy as np

from cli.verify.gaps import Gaps, gaps_in


def minutes_from(day: date, count: int, *without: int) -> list[int]:
    """Minutes since 1970, from 14:30 UTC of a day in winter, when New York opens; some are left out."""
    first = int(datetime.combine(day, time(14, 30), UTC).timestamp()) // 60
    return [first + n for n in range(count) if n not in without]


# The 27th has no bar, the 28th is Thanksgiving, the 29th closes after 210 minutes, the 30th begins a weekend.
TUESDAY = minutes_from(date(2024, 11, 26), 390)
FRIDAY = minutes_from(date(2024, 11, 29), 210, 0, 7, 209)
MONDAY = minutes_from(date(2024, 12, 2), 60, 30)


def gaps_of(*minutes: int) -> Gaps:
    return gaps_in(np.array(sorted(minutes), np.int64))


def test_gaps_are_sessions_without_bars_and_minutes_missing_in_others() -> None:
    assert gaps_of(*TUESDAY, *FRIDAY, *MONDAY) == Gaps(sessions=3, missing_sessions=1, missing_minutes=4)


def test_gaps_of_the_first_session_count_from_its_open_and_of_the_last_to_the_last_bar() -> None:
    assert gaps_of(*TUESDAY[100:300]) == Gaps(sessions=1, missing_sessions=0, missing_minutes=100)


def test_gaps_outside_sessions_are_none() -> None:
    early, late = TUESDAY[0] - 45, FRIDAY[-1] + 60
    assert gaps_of(early, *TUESDAY, *FRIDAY, late) == Gaps(sessions=2, missing_sessions=1, missing_minutes=3)
    assert gaps_of(late) == gaps_of() == Gaps()
