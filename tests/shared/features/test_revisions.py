"""Which revisions a week's rows have: late bars, corrected ones, late splits, and no news of later years."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.bars import INSTANT
from shared.contracts.lake import ACTIONS, MACRO
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import NAMES
from shared.features.compute import FeatureEngine, compute_week
from shared.features.context import EMPTY_CONTEXT, Context
from shared.features.revisions import News, late_instants, week_revisions
from tests.shared.features.making import MONDAY, bits, minutes_of, walk

WEEK = IsoWeek(2024, 8)
MINUTE = timedelta(minutes=1)
MINUTES = minutes_of(MONDAY.replace(day=15), MONDAY.replace(day=21))
BARS = walk(MINUTES, seed=4)
INSIDE = [minute for minute in MINUTES if minute >= WEEK.start]


def corrected(minute: datetime, known_at: datetime, factor: float = 1.01) -> pl.DataFrame:
    bar = BARS.filter(pl.col("timestamp") == minute)
    prices = [pl.col(name) * factor for name in ("open", "high", "low", "close", "vwap")]
    return bar.with_columns(*prices, known_at=pl.lit(known_at).cast(INSTANT), known_basis=pl.lit("observed"))


def made(bars: pl.DataFrame, context: Context = EMPTY_CONTEXT, news: News | None = None) -> list[pl.DataFrame]:
    return list(week_revisions(FeatureEngine("AAPL"), bars, context, WEEK, news))


def vintage(day: date, known_at: datetime, value: float) -> dict[str, object]:
    return {
        "series": "FEDFUNDS", "date": day, "value": value, "released_at": known_at, "released_basis": "observed",
        "vintage": None, "latest_vintage": False, "source": "fred", "simulated": False, "known_at": known_at,
        "ingested_at": known_at, "current": True,
    }  # fmt: skip


def test_week_without_late_facts_has_one_revision() -> None:
    (rows,) = made(BARS)
    assert rows.drop("replayed").equals(compute_week(BARS, EMPTY_CONTEXT, WEEK))
    assert not rows["replayed"].any()


def test_corrected_bar_makes_rows_from_it_on_again_as_of_the_correction() -> None:
    minute, known = INSIDE[100], INSIDE[300] + timedelta(seconds=30)
    own, again = made(pl.concat([BARS, corrected(minute, known)]))
    assert own.height == len(INSIDE)
    assert again["as_of"].unique().to_list() == [known]
    assert again["timestamp"].to_list() == INSIDE[100:300]
    before = own.filter(pl.col("timestamp") >= minute).head(again.height)
    assert before["close"][0] != again["close"][0]
    assert (before["sma_20"] != again["sma_20"]).sum() >= 20
    whole = compute_week(pl.concat([BARS, corrected(minute, known)]), EMPTY_CONTEXT, WEEK, known)
    assert bits(again.drop("replayed")).equals(bits(whole[100:300]))
    assert bits(whole[:100].select(NAMES)).equals(bits(own[:100].select(NAMES)))


def test_row_made_again_for_a_bar_corrected_years_later_learns_no_news_of_those_years() -> None:
    bars = pl.concat([BARS, corrected(INSIDE[100], datetime(2026, 1, 1, tzinfo=UTC))])
    early = vintage(date(2024, 1, 1), datetime(2024, 2, 1, tzinfo=UTC), 5.33)
    late = vintage(date(2025, 11, 1), datetime(2025, 12, 1, tzinfo=UTC), 3.88)
    then, now = (
        Context(pl.DataFrame(rows, schema=MACRO.lake_columns), EMPTY_CONTEXT.filings, EMPTY_CONTEXT.actions)
        for rows in ([early], [early, late])
    )
    _, without = made(bars, then)
    _, with_news = made(bars, now)
    assert bits(without).equals(bits(with_news))


def test_split_known_after_its_day_makes_the_rows_between_again() -> None:
    known = INSIDE[600] + timedelta(seconds=5)
    action = {
        "ticker": "AAPL", "action": "split", "label": "", "ratio": 2.0, "amount": None, "ex_date": date(2024, 2, 20),
        "known_at": known, "known_basis": "observed", "source": "alpaca", "simulated": False, "stated_at": known,
        "ingested_at": known, "current": True,
    }  # fmt: skip
    actions = pl.DataFrame([action], schema=ACTIONS.lake_columns)
    assert late_instants(BARS, actions, WEEK) == [(known, datetime(2024, 2, 20, tzinfo=UTC))]
    _, again = made(BARS, Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, actions))
    assert again["timestamp"].max() == INSIDE[599]


def test_news_leaves_out_what_it_cannot_have_changed() -> None:
    known = INSIDE[300] + timedelta(seconds=30)
    bars = pl.concat([BARS, corrected(INSIDE[100], known)])
    own, again = made(bars)
    assert made(bars, news=News(INSIDE[100], known + 10_000 * MINUTE)) == []
    first, second = made(bars, news=News(INSIDE[100], known))
    assert first.equals(own.filter(pl.col("timestamp") >= INSIDE[100]))
    assert second.equals(again.filter(pl.col("timestamp") >= INSIDE[100]))


def test_bar_of_a_replay_marks_its_row() -> None:
    (rows,) = made(
        BARS.with_columns(source=pl.when(pl.col("timestamp") > INSIDE[9]).then(pl.lit("replay")).otherwise("source"))
    )
    assert rows.filter(pl.col("replayed"))["timestamp"].min() == INSIDE[10]


@settings(max_examples=60)
@given(st.data())
def test_late_instants_are_those_after_which_an_earlier_row_exists(data: st.DataObject) -> None:
    few = BARS.filter(pl.col("timestamp").is_between(INSIDE[0] - 3 * timedelta(days=1), INSIDE[8]))
    places = data.draw(st.lists(st.integers(0, few.height - 1), max_size=6))
    delays = data.draw(st.lists(st.integers(0, 900), min_size=len(places), max_size=len(places)))
    more = [
        few[place : place + 1].with_columns(
            known_at=pl.lit(INSIDE[0] + timedelta(seconds=delay)).cast(INSTANT), close=pl.lit(100.0 + n)
        )
        for n, (place, delay) in enumerate(zip(places, delays, strict=True))
    ]
    bars = pl.concat([few, *more])
    own = {row[0]: row[1] for row in bars.group_by("timestamp").agg(pl.col("known_at").min()).iter_rows()}
    rows = {minute: known for minute, known in own.items() if minute >= WEEK.start}
    wanted = {
        known
        for minute, known in bars.select("timestamp", "known_at").iter_rows()
        if any(at >= minute and then < known for at, then in rows.items())
    }
    assert [instant for instant, _ in late_instants(bars, EMPTY_CONTEXT.actions, WEEK)] == sorted(wanted)
