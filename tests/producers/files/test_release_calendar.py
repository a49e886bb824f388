"""Release dates: never before the true release, moved ones by the table."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.release_calendar import release_of
from shared.contracts.calendar import NEW_YORK, is_session, session_open

MONTHLY = ("CPIAUCSL", "CPILFESL", "UNRATE", "FEDFUNDS", "PAYEMS")
QUARTERLY = ("GDP", "GDPC1")
DAILY = ("DGS10", "DGS2", "T10Y2Y", "VIXCLS")
# True first releases, from the agencies' own schedules and notices.
TRUE_RELEASES = [
    ("CPIAUCSL", date(2013, 9, 1), date(2013, 10, 30)),
    ("CPIAUCSL", date(2015, 1, 1), date(2015, 2, 26)),
    ("CPIAUCSL", date(2024, 12, 1), date(2025, 1, 15)),
    ("CPIAUCSL", date(2025, 9, 1), date(2025, 10, 24)),
    ("CPIAUCSL", date(2025, 11, 1), date(2025, 12, 18)),
    ("UNRATE", date(2013, 9, 1), date(2013, 10, 22)),
    ("UNRATE", date(2024, 12, 1), date(2025, 1, 10)),
    ("UNRATE", date(2025, 9, 1), date(2025, 11, 20)),
    ("UNRATE", date(2025, 11, 1), date(2025, 12, 16)),
    ("GDPC1", date(2013, 7, 1), date(2013, 11, 7)),
    ("GDPC1", date(2018, 10, 1), date(2019, 2, 28)),
    ("GDPC1", date(2024, 10, 1), date(2025, 1, 30)),
    ("GDPC1", date(2025, 7, 1), date(2025, 12, 23)),
]


@pytest.mark.parametrize(("series", "observed", "true"), TRUE_RELEASES)
def test_release_known_case_is_after_the_true_one_and_not_a_quarter_late(
    series: str, observed: date, true: date
) -> None:
    known, _ = release_of(series, observed, 30)
    assert known.astimezone(NEW_YORK).date() > true
    assert known.astimezone(NEW_YORK).date() - true < timedelta(days=20)


@given(st.sampled_from((*MONTHLY, *QUARTERLY)), st.integers(1947 * 12, 2030 * 12))
def test_release_of_a_period_is_after_its_end_at_an_open(series: str, month: int) -> None:
    months = 3 if series in QUARTERLY else 1
    month -= month % months
    observed = date(month // 12, month % 12 + 1, 1)
    end = date((month + months) // 12, (month + months) % 12 + 1, 1)
    known, basis = release_of(series, observed, 30)
    assert known.astimezone(NEW_YORK).date() > end
    assert known == session_open(known.astimezone(NEW_YORK).date())
    assert basis in ("calendar", "latest_plausible")


@given(st.sampled_from(DAILY), st.dates(date(1962, 1, 1), date(2030, 1, 1)))
def test_release_of_a_day_is_the_open_of_a_later_session(series: str, observed: date) -> None:
    known, basis = release_of(series, observed, 1)
    day = known.astimezone(NEW_YORK).date()
    assert basis == "calendar"
    assert day > observed
    assert is_session(day)
    between = sum(is_session(observed + timedelta(days=d)) for d in range(1, (day - observed).days))
    assert between >= (0 if series == "VIXCLS" else 1)


def test_release_of_a_treasury_rate_waits_for_banks_on_columbus_and_veterans_day() -> None:
    friday = date(2025, 10, 10)  # Monday the 13th is Columbus Day: published on Tuesday evening
    assert release_of("DGS10", friday, 1)[0] == datetime(2025, 10, 15, 13, 30, tzinfo=UTC)
    monday = date(2024, 11, 8)  # Monday the 11th is Veterans Day
    assert release_of("DGS10", monday, 1)[0].date() >= date(2024, 11, 13)


@given(st.dates(date(1950, 1, 1), date(2030, 1, 1)), st.sampled_from([1, 7, 31, 92, 366]))
def test_release_of_an_unknown_series_waits_longer_than_its_period(observed: date, period: int) -> None:
    known, basis = release_of("UNKNOWN", observed, period)
    assert basis == "latest_plausible"
    assert known.date() > observed + timedelta(days=period + 6)


def test_release_before_the_calendar_begins_is_late_and_not_an_error() -> None:
    assert release_of("GDPC1", date(1930, 1, 1), 92)[0] == datetime(1940, 1, 2, 14, 30, tzinfo=UTC)
