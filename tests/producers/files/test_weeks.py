"""Rows of any order and split give the same weeks; what does not fit in memory is still all there."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from producers.files.rows import ROW_COLUMNS
from producers.files.weeks import WeekBuffer
from producers.source import Bars

MONDAY = datetime(2024, 12, 30, tzinfo=UTC)
ROW = st.tuples(st.sampled_from(["AAA", "BBB"]), st.integers(0, 4 * 7 * 24), st.sampled_from([10.0, 11.0]))


def frame(rows: list[tuple[str, int, float]], first: int = 1) -> pl.DataFrame:
    records = [
        (first + i, ticker, MONDAY + timedelta(hours=hour), price, price, price, price, 5.0, None, None)
        for i, (ticker, hour, price) in enumerate(rows)
    ]
    return pl.DataFrame(records, schema=ROW_COLUMNS, orient="row")


def gather(rows: list[tuple[str, int, float]], size: int, most_rows: int) -> list[Bars]:
    buffer = WeekBuffer("files:x", adjusted=False, most_rows=most_rows)
    weeks: list[Bars] = []
    for start in range(0, len(rows), size):
        weeks += buffer.add(frame(rows[start : start + size], start + 1))
    return [*weeks, *buffer.finish()]


def facts(weeks: list[Bars]) -> Counter[tuple[str, datetime, float]]:
    return Counter(row for week in weeks for row in week.frame.select("ticker", "timestamp", "open").iter_rows())


@given(st.lists(ROW, max_size=60), st.integers(1, 60), st.integers(1, 80))
def test_any_split_loses_nothing_and_each_item_is_one_sorted_week(
    rows: list[tuple[str, int, float]], size: int, most_rows: int
) -> None:
    weeks = gather(rows, size, most_rows)
    wanted = {(t, MONDAY + timedelta(hours=h), p) for t, h, p in rows}
    assert set(facts(weeks)) == wanted
    assert facts(weeks).total() + sum(week.duplicates for week in weeks) == len(rows)
    for week in weeks:
        keys = {(t, at.isocalendar()[:2]) for t, at in week.frame.select("ticker", "timestamp").iter_rows()}
        assert len(keys) == 1
        assert week.frame["timestamp"].is_sorted()
        assert week.rows is not None
        assert len(week.rows) == week.frame.height


@given(st.lists(ROW, max_size=60), st.randoms())
def test_what_fits_in_memory_any_order_gives_each_week_once_without_repetitions(
    rows: list[tuple[str, int, float]], random: object
) -> None:
    weeks = gather(rows, 7, 1000)
    assert max(facts(weeks).values(), default=1) == 1
    assert (
        max(
            Counter((w.frame["ticker"][0], w.frame["timestamp"][0].isocalendar()[:2]) for w in weeks).values(),
            default=1,
        )
        == 1
    )
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert facts(gather(shuffled, 5, 1000)) == facts(weeks)


def test_conflicting_rows_are_both_kept() -> None:
    (week,) = gather([("AAA", 1, 10.0), ("AAA", 1, 11.0), ("AAA", 1, 10.0)], 10, 1000)
    assert week.frame["open"].to_list() == [10.0, 11.0]
    assert week.duplicates == 1


def test_sorted_rows_beyond_memory_give_whole_weeks() -> None:
    rows = [("AAA", hour, 10.0) for hour in range(4 * 7 * 24)]
    weeks = gather(rows, 50, 400)
    assert [week.frame.height for week in weeks] == [7 * 24] * 4
