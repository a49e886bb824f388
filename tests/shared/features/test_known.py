"""Slow facts as known at an instant, against pandas asked one instant at a time; and the edges of "known"."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO
from shared.features.context import EMPTY_CONTEXT, Context
from shared.features.known import Known
from shared.features.vintages import months_before
from tests.shared.features.made_facts import Row, lake_frame
from tests.shared.features.plain_oracle import to_pandas

DAY = datetime(2025, 6, 2, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def known_at(context: Context, *instants: datetime, simulated: bool = False) -> Known:
    """What is known at rows whose bars end at the instants."""
    minutes = np.array([(instant - EPOCH) // MINUTE - 1 for instant in instants])
    as_of = np.array([(instant - EPOCH) // timedelta(microseconds=1) for instant in instants])
    return Known(context, minutes, as_of, simulated)


def macro_row(observed: date, value: float | None, known: datetime, series: str = "VIXCLS", **more: object) -> Row:
    row = {"series": series, "date": observed, "value": value, "released_at": known, "source": "fred"}
    return {**row, "released_basis": "observed", "simulated": series.startswith("SIM."), **more}


def macro_of(rows: list[Row]) -> Context:
    return Context(lake_frame(MACRO, rows), EMPTY_CONTEXT.filings, EMPTY_CONTEXT.actions)


def newest(known: Known, series: str = "VIXCLS") -> list[float]:
    steps = known.macro(series)
    return [float("nan")] * len(known.missing()) if steps is None else known.spread_macro(series, steps.value).tolist()


HOURS = st.integers(-24 * 30, 24)
VERSIONS = st.lists(st.tuples(st.integers(-20, 0), HOURS, st.none() | st.integers(0, 2)), max_size=25)


@settings(max_examples=60)
@given(VERSIONS, st.lists(st.integers(-24 * 30, 24 * 12), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_macro_steps_equal_pandas_asked_one_instant_at_a_time(
    versions: list[tuple[int, int, int | None]],
    asked: list[int],
    random: "st.random.Random",  # type: ignore[name-defined]
) -> None:
    unique = {(day, hour): value for day, hour, value in versions}  # two at one instant: see the next test
    rows = [
        macro_row((DAY + timedelta(days=day)).date(), None if v is None else float(v), DAY + timedelta(hours=hour))
        for (day, hour), v in unique.items()
    ]
    random.shuffle(rows)
    instants = [DAY + timedelta(hours=hour) for hour in asked]
    context = macro_of(rows)
    known, frame = known_at(context, *instants), to_pandas(context.macro)
    steps = known.macro("VIXCLS")
    before = [float("nan")] * len(asked) if steps is None else known.spread_macro("VIXCLS", steps.previous).tolist()
    for instant, value, previous in zip(instants, newest(known), before, strict=True):
        then = frame[frame.known_at <= instant].sort_values("known_at").drop_duplicates("date", keep="last")
        then = then.dropna(subset=["value"]).sort_values("date")
        age = (pd.Timestamp((instant - MINUTE).date()) - then.date).dt.days
        fresh = len(then) > 0 and age.iloc[-1] <= 14
        near = fresh and len(then) > 1 and (then.date.iloc[-1] - then.date.iloc[-2]).days <= 14
        expected = [then.value.iloc[-1] if fresh else np.nan, then.value.iloc[-2] if near else np.nan]
        np.testing.assert_array_equal([value, previous], expected)


def test_two_versions_of_one_instant_win_by_source_and_in_any_order() -> None:
    rows = [macro_row(DAY.date(), 1.0, DAY, source="files"), macro_row(DAY.date(), 2.0, DAY, source="fred")]
    for order in (rows, rows[::-1]):
        assert newest(known_at(macro_of(order), DAY + MINUTE)) == [2.0]


def test_fact_counts_from_its_own_microsecond_on() -> None:
    context = macro_of([macro_row(DAY.date(), 1.0, DAY)])
    before, at = newest(known_at(context, DAY - timedelta(microseconds=1), DAY))
    assert np.isnan(before)
    assert at == 1.0


def test_revision_of_an_older_observation_does_not_replace_the_newest() -> None:
    rows = [
        macro_row(date(2025, 5, 29), 1.0, DAY - timedelta(hours=9)),
        macro_row(date(2025, 5, 30), 2.0, DAY - timedelta(hours=8)),
        macro_row(date(2025, 5, 29), 3.0, DAY - timedelta(hours=1)),
    ]
    known = known_at(macro_of(rows), DAY)
    steps = known.macro("VIXCLS")
    assert steps is not None
    assert newest(known) == [2.0]
    assert known.spread_macro("VIXCLS", steps.previous).tolist() == [3.0]


def test_revised_zero_is_replaced_and_withdrawn_like_any_value() -> None:
    rows = [
        macro_row(date(2025, 5, 29), 0.0, DAY - timedelta(hours=9), "T10Y2Y"),
        macro_row(date(2025, 5, 30), 0.0, DAY - timedelta(hours=8), "T10Y2Y"),
        macro_row(date(2025, 5, 30), None, DAY - timedelta(hours=2), "T10Y2Y"),
        macro_row(date(2025, 5, 29), 0.5, DAY - timedelta(hours=1), "T10Y2Y"),
    ]
    known = known_at(macro_of(rows), *(DAY - timedelta(hours=hours) for hours in (8, 2, 1)))
    steps = known.macro("T10Y2Y")
    assert steps is not None
    assert newest(known, "T10Y2Y") == [0.0, 0.0, 0.5]
    np.testing.assert_array_equal(known.spread_macro("T10Y2Y", steps.previous), [0.0, np.nan, np.nan])


@pytest.mark.parametrize(("days", "expected"), [(14, 1.0), (15, float("nan"))])
def test_observation_before_counts_while_it_is_near(days: int, expected: float) -> None:
    rows = [macro_row(DAY.date() - timedelta(days=days), 1.0, DAY), macro_row(DAY.date(), 2.0, DAY)]
    known = known_at(macro_of(rows), DAY)
    steps = known.macro("VIXCLS")
    assert steps is not None
    np.testing.assert_array_equal(known.spread_macro("VIXCLS", steps.previous), [expected])


def test_earlier_month_is_taken_by_the_calendar_not_by_position() -> None:
    rows = [
        macro_row(date(2024, 5, 1), 50.0, DAY - timedelta(days=300), "CPIAUCSL"),
        macro_row(date(2025, 2, 1), 80.0, DAY - timedelta(days=60), "CPIAUCSL"),
        macro_row(date(2025, 4, 1), None, DAY - timedelta(days=9), "CPIAUCSL"),  # never collected
        macro_row(date(2025, 5, 1), 90.0, DAY - timedelta(days=1), "CPIAUCSL"),
    ]
    steps = known_at(macro_of(rows), DAY).macro("CPIAUCSL")
    assert steps is not None
    assert (steps.value[-1], steps.previous[-1], steps.before[12][-1]) == (90.0, 80.0, 50.0)
    assert np.isnan(steps.before[1][-1])


def test_simulated_ticker_sees_the_simulated_economy_only() -> None:
    rows = [macro_row(DAY.date(), 1.0, DAY), macro_row(DAY.date(), 2.0, DAY, "SIM.VIXCLS")]
    assert newest(known_at(macro_of(rows), DAY)) == [1.0]
    assert newest(known_at(macro_of(rows), DAY, simulated=True)) == [2.0]
    assert np.isnan(newest(known_at(macro_of(rows[:1]), DAY, simulated=True))).all()


def test_observation_is_missing_once_it_is_too_old() -> None:
    context = macro_of([macro_row(date(2025, 5, 19), 1.0, DAY - timedelta(days=9))])
    last_day = datetime(2025, 6, 2, 23, 59, tzinfo=UTC)
    fresh, old = newest(known_at(context, last_day, last_day + 2 * MINUTE))
    assert fresh == 1.0
    assert np.isnan(old)


def test_weeks_of_rows_make_no_difference_to_what_a_row_knows() -> None:
    rows = [
        macro_row(date(2025, 1, 1) + timedelta(days=d), float(d), DAY - timedelta(days=140 - d)) for d in range(140)
    ]
    context, instants = macro_of(rows), [DAY - timedelta(days=d) for d in range(90, -1, -1)]
    alone = [newest(known_at(context, instant))[0] for instant in instants]
    assert newest(known_at(context, *instants)) == alone


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2025, 3, 1), 1, date(2025, 2, 1)),
        (date(2025, 1, 1), 3, date(2024, 10, 1)),
        (date(1965, 2, 1), 12, date(1964, 2, 1)),
    ],
)
def test_months_before_goes_by_the_calendar(day: date, months: int, expected: date) -> None:
    given = months_before(np.array([(day - EPOCH.date()).days]), months)
    assert given.tolist() == [(expected - EPOCH.date()).days]


def filing_row(period: str, end: date, known: datetime, revenue: float | str, **more: object) -> Row:
    row = {"symbol": "ACME", "period": period, "period_end": end, "calendarYear": end.year, "filed_at": known}
    return {**row, "filed_basis": "accepted", "source": "files", "simulated": False, "revenue": revenue, **more}


def revenue_of(rows: list[Row], *instants: datetime) -> list[float]:
    context = Context(EMPTY_CONTEXT.macro, lake_frame(FUNDAMENTALS, rows), EMPTY_CONTEXT.actions)
    known = known_at(context, *instants)
    assert known.filings is not None
    return known.spread_filing(known.filings.newest["revenue"]).tolist()


def test_newest_filing_is_that_of_the_latest_period_not_the_one_announced_last() -> None:
    rows = [
        filing_row("Q1", date(2025, 3, 31), DAY, 2.0),
        filing_row("Q4", date(2024, 12, 31), DAY + timedelta(days=1), 1.0),  # late, or a restatement
    ]
    assert revenue_of(rows, DAY, DAY + timedelta(days=2)) == [2.0, 2.0]


def test_restatement_counts_from_when_it_became_known() -> None:
    rows = [
        filing_row("Q1", date(2025, 3, 31), DAY + timedelta(hours=5), 3.0),
        filing_row("Q1", date(2025, 3, 31), DAY, 2.0),
    ]
    assert revenue_of(rows, DAY, DAY + timedelta(hours=4), DAY + timedelta(hours=5)) == [2.0, 2.0, 3.0]


def test_quarter_goes_before_the_year_that_ends_with_it() -> None:
    end = date(2024, 12, 31)
    rows = [filing_row("FY", end, DAY, 40.0), filing_row("Q4", end, DAY, 10.0)]
    assert revenue_of(rows, DAY) == [10.0]
    assert revenue_of(rows[:1], DAY) == [40.0]


def test_filing_is_missing_once_its_period_is_too_old() -> None:
    rows = [filing_row("FY", date(2024, 1, 20), datetime(2024, 3, 1, tzinfo=UTC), 1.0)]
    given = revenue_of(rows, datetime(2025, 6, 3, tzinfo=UTC), datetime(2025, 6, 4, 0, 1, tzinfo=UTC))
    assert given[0] == 1.0
    assert np.isnan(given[1])


def test_statement_field_that_is_text_counts_where_it_reads_as_a_number() -> None:
    frame = lake_frame(FUNDAMENTALS, [filing_row("Q1", date(2025, 3, 31), DAY, 1.0)])
    for text, expected in (("12.5", 12.5), ("n/a", float("nan"))):
        filings = frame.with_columns(revenue=pl.lit(text))
        known = known_at(Context(EMPTY_CONTEXT.macro, filings, EMPTY_CONTEXT.actions), DAY)
        assert known.filings is not None
        np.testing.assert_array_equal(known.spread_filing(known.filings.newest["revenue"]), [expected])
        assert np.isnan(known.spread_filing(known.filings.newest["eps"])).all()  # no such column


def action_row(action: str, ex_date: date, size: float, known: datetime, label: str = "") -> Row:
    ratio, amount = (size, None) if action == "split" else (None, size)
    row = {"ticker": "ACME", "action": action, "label": label, "ratio": ratio, "amount": amount, "ex_date": ex_date}
    return {**row, "known_at": known, "known_basis": "observed", "source": "alpaca", "simulated": False}


def actions_at(rows: list[Row], *instants: datetime) -> Known:
    return known_at(Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, lake_frame(ACTIONS, rows)), *instants)


def test_action_is_ahead_until_the_open_of_its_ex_date_and_past_from_then_on() -> None:
    opening = datetime(2025, 6, 4, 13, 30, tzinfo=UTC)
    known = actions_at([action_row("dividend", date(2025, 6, 4), 0.5, DAY)], opening, opening + MINUTE)
    assert known.actions is not None
    np.testing.assert_array_equal(known.actions.days_to("dividend"), [0.0, np.nan])
    np.testing.assert_array_equal(known.actions.days_since("dividend"), [np.nan, 1 / 1440])
    assert np.isnan(known.actions.days_to("split")).all()


def test_dividend_growth_is_on_todays_shares_and_without_special_dividends() -> None:
    rows = [
        action_row("dividend", date(2025, 3, 3), 0.9, DAY - timedelta(days=99)),
        action_row("split", date(2025, 4, 1), 3.0, DAY - timedelta(days=90)),
        action_row("dividend", date(2025, 5, 1), 5.0, DAY - timedelta(days=60), "special"),
        action_row("dividend", date(2025, 5, 30), 0.4, DAY - timedelta(days=30)),
        action_row("dividend", date(2025, 5, 30), 0.6, DAY + timedelta(days=1)),  # corrected
    ]
    known = actions_at(rows, datetime(2025, 5, 1, 15, tzinfo=UTC), DAY, DAY + timedelta(days=2))
    assert known.actions is not None
    growth = known.actions.dividend_growth()
    assert np.isnan(growth[0])
    np.testing.assert_allclose(growth[1:], [0.4 / 0.3 - 1, 0.6 / 0.3 - 1], rtol=1e-12)


def test_nothing_known_is_null_everywhere() -> None:
    known = known_at(EMPTY_CONTEXT, DAY, DAY + MINUTE)
    assert (known.macro("GDPC1"), known.filings, known.actions) == (None, None, None)
    for values in (known.missing(), known.since_filing(), known.spread_filing(np.empty(0)), newest(known)):
        assert np.isnan(values).tolist() == [True, True]
