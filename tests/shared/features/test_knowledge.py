"""A row sees what was known at its as_of: every row against a computation from only those facts, and prefixes."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts.bars import BAR_LENGTH, INSTANT
from shared.contracts.lake import ACTIONS
from shared.contracts.weeks import IsoWeek
from shared.features.compute import FeatureEngine, compute_week
from shared.features.context import EMPTY_CONTEXT, Context
from tests.shared.features.making import MONDAY, bits, minutes_of, walk

WEEK = IsoWeek(2024, 8)
LAST_FRIDAY, TUESDAY = MONDAY.replace(day=16), MONDAY.replace(day=20)
BEFORE, INSIDE = 520, 24
"""Bars before the week and in it: enough for every minute feature, few enough to make each row by itself."""


def short_week(seed: int) -> pl.DataFrame:
    """The last bars of the weeks before and the first ones of the week."""
    bars = walk(minutes_of(MONDAY.replace(day=12), TUESDAY), seed)
    start = int((bars["timestamp"] < WEEK.start).sum())
    return bars.slice(start - BEFORE, BEFORE + INSIDE)


def corrected(bars: pl.DataFrame, place: int, known_at: datetime, source: str = "files") -> pl.DataFrame:
    """One more version of a bar, a cent higher and with more volume, that becomes known at `known_at`."""
    prices = [pl.col(name) + 0.01 for name in ("open", "high", "low", "close")]
    known = pl.lit(known_at, INSTANT).alias("known_at")
    observed = pl.lit("observed").alias("known_basis")
    return bars[place].with_columns(*prices, pl.col("volume") + 100, known, observed, pl.lit(source).alias("source"))


def made_late(bars: pl.DataFrame, place: int, known_at: datetime) -> pl.DataFrame:
    """The bars, of which one became known late."""
    late = pl.int_range(pl.len()) == place
    return bars.with_columns(
        known_at=pl.when(late).then(pl.lit(known_at, INSTANT)).otherwise("known_at"),
        known_basis=pl.when(late).then(pl.lit("observed")).otherwise("known_basis"),
    )


def split_on(day: object, ratio: float, known_at: datetime) -> pl.DataFrame:
    row = {
        "ticker": "AAPL",
        "action": "split",
        "label": "",
        "ratio": ratio,
        "ex_date": day,
        "known_at": known_at,
        "known_basis": "observed",
        "source": "files",
        "simulated": False,
        "stated_at": known_at,
        "ingested_at": known_at,
        "current": True,
    }
    return pl.DataFrame([row], schema=ACTIONS.lake_columns)


def row_by_itself(bars: pl.DataFrame, context: Context, row: dict[str, object]) -> pl.DataFrame:
    """Make one row from nothing but what had happened and was known at its as_of: the definition, word for word."""
    known = pl.col("known_at") <= row["as_of"]
    past = bars.filter(known & (pl.col("timestamp") <= row["timestamp"]))
    slow = Context(context.macro, context.filings, context.actions.filter(known))
    strongest = past.sort("known_at").unique("timestamp", keep="last").sort("timestamp")
    return compute_week(strongest.with_columns(known_at=pl.lit(row["as_of"], INSTANT)), slow, WEEK).tail(1)


def assert_each_row_is_as_by_itself(bars: pl.DataFrame, context: Context, as_of: datetime | None = None) -> None:
    rows = compute_week(bars, context, WEEK, as_of)
    assert rows.height == bars.filter(pl.col("timestamp") >= WEEK.start)["timestamp"].n_unique()
    alone = pl.concat([row_by_itself(bars, context, row) for row in rows.select("timestamp", "as_of").to_dicts()])
    assert bits(rows).equals(bits(alone))
    assert_engine_makes_the_same(bars, context, as_of)


def assert_engine_makes_the_same(bars: pl.DataFrame, context: Context, as_of: datetime | None) -> None:
    engine = FeatureEngine("AAPL")
    for instant in (None, as_of or bars["known_at"][BEFORE + 8], as_of):
        rows = compute_week(bars, context, WEEK, instant)
        late, recent = bars["timestamp"][BEFORE + 15], pl.col("timestamp") >= bars["timestamp"][BEFORE + 15]
        assert bits(engine.week(bars, context, WEEK, instant, since=late)).equals(bits(rows.filter(recent)))
        assert bits(engine.week(bars, context, WEEK, instant)).equals(bits(rows))
        if instant is not None:
            remade = engine.remade(bars, context, WEEK, instant)
            assert bits(remade).equals(bits(rows.filter(pl.col("as_of") == instant)))
            remade = engine.remade(bars, context, WEEK, instant, since=late)
            assert bits(remade).equals(bits(rows.filter(recent, pl.col("as_of") == instant)))


@settings(max_examples=6)
@given(st.data())
def test_week_with_late_doubled_and_corrected_bars_has_each_row_as_by_itself(data: st.DataObject) -> None:
    bars = short_week(seed=data.draw(st.integers(0, 99)))
    instants = [bars["timestamp"][BEFORE] + BAR_LENGTH * n for n in range(-3, INSIDE + 5)]
    more = []
    for _ in range(data.draw(st.integers(0, 3))):
        bars = made_late(
            bars, data.draw(st.integers(BEFORE - 20, BEFORE + INSIDE - 1)), data.draw(st.sampled_from(instants))
        )
    bars = bars.with_columns(pl.max_horizontal("known_at", pl.col("timestamp") + BAR_LENGTH))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(BEFORE - 60, BEFORE + INSIDE - 1))
        known_at = data.draw(st.sampled_from(instants)) + timedelta(
            seconds=data.draw(st.integers(1, 50)), microseconds=1
        )
        more.append(corrected(bars, place, max(known_at, bars["known_at"][place] + timedelta(seconds=1))))
    doubled = bars.sample(20, seed=1).with_columns(pl.col("known_at") + timedelta(seconds=7), source=pl.lit("again"))
    every = pl.concat([bars, *more, doubled.tail(data.draw(st.integers(0, 20)))]).sample(
        fraction=1, shuffle=True, seed=2
    )
    as_of = data.draw(st.none() | st.sampled_from(instants))
    assert_each_row_is_as_by_itself(every, EMPTY_CONTEXT, as_of)


@settings(max_examples=4)
@given(known_in=st.integers(-40, INSIDE), ratio=st.sampled_from([0.1, 2.0, 3.0]), friday=st.booleans())
def test_week_with_a_split_has_each_row_as_by_itself(known_in: int, ratio: float, friday: bool) -> None:
    bars = short_week(seed=7)
    known_at = bars["timestamp"][BEFORE] + known_in * BAR_LENGTH
    actions = split_on(LAST_FRIDAY if friday else TUESDAY, ratio, known_at)
    assert_each_row_is_as_by_itself(bars, Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, actions))


@settings(max_examples=8)
@given(st.integers(1, 1559), st.integers(0, 3))
def test_week_of_a_prefix_gives_the_same_bits(kept: int, seed: int) -> None:
    bars = walk(minutes_of(MONDAY.replace(day=1), MONDAY.replace(day=23)), seed, share=1.0 if seed else 0.6)
    before = int((bars["timestamp"] < WEEK.start).sum())
    whole = compute_week(bars, EMPTY_CONTEXT, WEEK)
    part = compute_week(bars.head(before + kept), EMPTY_CONTEXT, WEEK)
    assert bits(part).equals(bits(whole.head(kept)))


@settings(max_examples=6)
@given(st.integers(1, 200))
def test_week_with_more_history_than_the_anchor_gives_the_same_bits(dropped: int) -> None:
    bars = walk(minutes_of(MONDAY.replace(year=2023, month=12, day=1), MONDAY.replace(day=20)), seed=5)
    anchor = int((bars["timestamp"] < WEEK.start - timedelta(weeks=6)).sum())
    short = bars.slice(anchor - dropped)
    assert bits(compute_week(short, EMPTY_CONTEXT, WEEK)).equals(bits(compute_week(bars[anchor:], EMPTY_CONTEXT, WEEK)))


@settings(max_examples=6)
@given(st.integers(0, INSIDE - 1), st.integers(0, 100))
def test_rows_before_an_instant_do_not_see_what_becomes_known_later(row: int, seed: int) -> None:
    bars = short_week(seed=1)
    extra = [corrected(bars, BEFORE + n, bars["known_at"][BEFORE + n] + timedelta(minutes=6)) for n in (2, 9, 10, 20)]
    every = made_late(pl.concat([bars, *extra]), BEFORE + 5, bars["known_at"][BEFORE + 12])
    actions = split_on(TUESDAY, 4.0, bars["timestamp"][BEFORE + 15])
    whole = compute_week(every, Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, actions), WEEK)
    instant = whole["as_of"][row]
    later = pl.col("known_at") > instant
    factor = pl.lit(np.random.default_rng(seed).uniform(0.5, 2.0))
    garbled = every.with_columns(
        *(
            pl.when(later).then(pl.col(c) * factor).otherwise(c).alias(c)
            for c in ("open", "high", "low", "close", "volume")
        )
    )
    for bars_then, actions_then in (
        (every.filter(~later), actions.filter(~later)),
        (garbled, actions.with_columns(ratio=pl.when(later).then(9.0).otherwise("ratio"))),
    ):
        context = Context(EMPTY_CONTEXT.macro, EMPTY_CONTEXT.filings, actions_then)
        again = compute_week(bars_then, context, WEEK)
        held = pl.col("as_of") <= instant
        assert bits(again.filter(held)).equals(bits(whole.filter(held)))


def test_late_bar_is_missing_from_rows_made_before_it_and_there_after() -> None:
    bars = short_week(seed=3)
    late = made_late(bars, BEFORE + 5, bars["known_at"][BEFORE + 10])
    rows, without = (
        compute_week(late, EMPTY_CONTEXT, WEEK),
        compute_week(bars.filter(pl.int_range(pl.len()) != BEFORE + 5), EMPTY_CONTEXT, WEEK),
    )
    whole = compute_week(bars, EMPTY_CONTEXT, WEEK)
    features = rows.columns[7:]
    assert rows["as_of"][5] == bars["known_at"][BEFORE + 10]
    assert bits(rows[6:10].select(features)).equals(bits(without[5:9].select(features)))
    assert bits(rows[10:]).equals(bits(whole[10:]))
    assert not bits(rows[6:10]).equals(bits(whole[6:10]))


def test_row_of_a_corrected_bar_tells_the_close_that_was_known() -> None:
    bars = short_week(seed=3)
    both = pl.concat([bars, corrected(bars, BEFORE + 3, bars["known_at"][BEFORE + 8])])
    first, known = compute_week(both, EMPTY_CONTEXT, WEEK), bars["known_at"][BEFORE + 8]
    later = compute_week(both, EMPTY_CONTEXT, WEEK, as_of=known)
    assert first["close"][3] == bars["close"][BEFORE + 3]
    assert later["close"][3] == bars["close"][BEFORE + 3] + 0.01
    assert later["as_of"][3] == known
    assert later["as_of"][20] == bars["known_at"][BEFORE + 20]


def test_versions_known_at_one_instant_are_ranked_by_source() -> None:
    bars = short_week(seed=3)
    known = bars["known_at"][BEFORE + 3]
    both = pl.concat([corrected(bars, BEFORE + 3, known, "simulated"), bars.with_columns(source=pl.lit("alpaca"))])
    rows = compute_week(both, EMPTY_CONTEXT, WEEK)
    assert bits(rows).equals(bits(compute_week(bars, EMPTY_CONTEXT, WEEK)))
