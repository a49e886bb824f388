"""ISO weeks and the object names made of them, against Python's own calendar and strftime."""

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.bars import INSTANT
from shared.contracts.lake import actions_object, fundamentals_object, macro_object, stock_object
from shared.contracts.weeks import IsoWeek, week_start

INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS)
def test_week_of_instant_holds_it_and_begins_on_a_monday(instant: datetime) -> None:
    week = IsoWeek.of(instant)

    assert week.start <= instant < week.end == week.start + timedelta(days=7)
    assert (week.start.weekday(), week.start.time()) == (0, datetime.min.time())


@given(INSTANTS, st.integers(-14, 14))
def test_week_of_instant_is_the_same_in_every_zone(instant: datetime, hours: int) -> None:
    assert IsoWeek.of(instant.astimezone(timezone(timedelta(hours=hours)))) == IsoWeek.of(instant)


@given(INSTANTS, INSTANTS)
def test_weeks_are_ordered_as_their_starts(one: datetime, other: datetime) -> None:
    left, right = IsoWeek.of(one), IsoWeek.of(other)

    assert (left < right) == (left.start < right.start)
    assert (left == right) == (left.start == right.start)


@given(st.lists(INSTANTS, min_size=1, max_size=20))
def test_week_start_of_a_column_agrees_with_python(instants: list[datetime]) -> None:
    frame = pl.DataFrame({"timestamp": instants}, schema={"timestamp": INSTANT})

    starts = frame.select(week_start())["timestamp"].to_list()

    assert starts == [IsoWeek.of(instant).start for instant in instants]


@given(INSTANTS)
def test_stock_object_year_and_month_are_the_thursdays(instant: datetime) -> None:
    thursday = (instant - timedelta(days=instant.weekday()) + timedelta(days=3)).date()

    name = stock_object("AAPL", IsoWeek.of(instant))

    assert name == thursday.strftime("AAPL/%Y/%m/AAPL_%G-W%V.parquet")


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2020, 12, 31), "AAPL/2020/12/AAPL_2020-W53.parquet"),
        (date(2021, 1, 3), "AAPL/2020/12/AAPL_2020-W53.parquet"),
        (date(2024, 12, 30), "AAPL/2025/01/AAPL_2025-W01.parquet"),
        (date(2025, 12, 29), "AAPL/2026/01/AAPL_2026-W01.parquet"),
        (date(2025, 7, 31), "AAPL/2025/07/AAPL_2025-W31.parquet"),
    ],
)
def test_stock_object_week_that_straddles_years_or_months_is_one_object(day: date, name: str) -> None:
    assert stock_object("AAPL", IsoWeek.of(datetime(day.year, day.month, day.day, 15, tzinfo=UTC))) == name


def test_other_objects_are_named_by_year_and_symbol() -> None:
    assert macro_object("GDPC1", date(2025, 1, 1)) == "GDPC1/2025/GDPC1_2025.parquet"
    assert fundamentals_object("AAPL", 2024) == "AAPL/2024.parquet"
    assert actions_object("BRK.B") == "BRK.B.parquet"
