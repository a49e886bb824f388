"""The features do not look ahead; the check compares what it says it compares."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.random import default_rng

from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import CATALOGUE
from shared.features.compute import compute_week
from shared.features.context import EMPTY_CONTEXT
from shared.features.garbling import LATER, with_garbled, without_later
from shared.features.lookahead import check_lookahead
from tests.shared.features.made_facts import WEEK, made_bars, made_context

BARS, CONTEXT = made_bars(5), made_context(5)
INSTANT = WEEK.start + timedelta(days=2, hours=16, minutes=3)


@pytest.mark.parametrize("seed", [5, 6])
def test_catalogue_made_again_from_what_was_known_is_equal_bit_by_bit(seed: int) -> None:
    report = check_lookahead(made_bars(seed, extended=seed == 5), made_context(seed), [WEEK], instants=6, seed=seed)
    assert report.clean, report.examples[:3]
    assert report.instants == 6
    assert report.rows > 2000
    assert report.values == report.rows * (len(CATALOGUE) + 1)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@example(first=0, count=1, seed=0, sparse=False)
@given(st.integers(0, BARS.height), st.integers(0, 600), st.integers(0, 2**32 - 1), st.booleans())
def test_few_bars_anywhere_make_rows_that_do_not_look_ahead(first: int, count: int, seed: int, sparse: bool) -> None:
    few = BARS[first : first + count]
    if sparse:
        few = few.filter(pl.Series(default_rng(seed).random(few.height) < 0.1))
    if few.is_empty():
        assert compute_week(few, CONTEXT, WEEK).is_empty()
        return
    week = IsoWeek.of(few["timestamp"][-1])
    report = check_lookahead(few, CONTEXT, [week], instants=2, seed=seed)  # the second is never before the first row
    assert report.clean, report.examples[:3]


def test_week_without_context_has_null_for_every_slow_fact() -> None:
    week = compute_week(BARS, EMPTY_CONTEXT, WEEK)
    slow = [f.name for f in CATALOGUE if f.group in ("macro", "fundamental", "corporate actions")]
    assert week.select(pl.col(slow).is_null().all()).row(0) == (True,) * len(slow)


def test_check_of_a_week_without_bars_is_not_clean() -> None:
    report = check_lookahead(BARS, CONTEXT, [IsoWeek(2026, 10)])
    assert (report.clean, report.rows, report.different) == (False, 0, {})


def test_removing_leaves_exactly_what_was_known() -> None:
    bars, context = without_later(BARS, CONTEXT, INSTANT, default_rng(1))
    assert not bars.equals(BARS.filter(pl.col("known_at") <= INSTANT))  # another order
    assert bars.sort(bars.columns).equals(BARS.filter(pl.col("known_at") <= INSTANT).sort(bars.columns))
    assert context.macro.height == CONTEXT.macro.filter(pl.col("known_at") <= INSTANT).height < CONTEXT.macro.height
    assert context.filings["known_at"].max() <= INSTANT  # type: ignore[operator]
    assert context.actions["known_at"].max() <= INSTANT  # type: ignore[operator]


def test_garbling_keeps_what_was_known_and_restates_it_later() -> None:
    bars, context = with_garbled(BARS, CONTEXT, INSTANT, default_rng(1))
    for whole, garbled in ((BARS, bars), (CONTEXT.macro, context.macro), (CONTEXT.filings, context.filings)):
        known = whole.filter(pl.col("known_at") <= INSTANT)
        kept = garbled.filter(pl.col("known_at") <= INSTANT)
        assert kept.sort(kept.columns).equals(known.sort(known.columns))
        restated = garbled.filter(pl.col("known_at") == INSTANT + LATER)
        assert restated.height > known.height / 20
        later = garbled.filter(pl.col("known_at") > INSTANT + LATER)
        original = whole.filter(pl.col("known_at") > INSTANT)
        assert later.height == original.height
        assert later.join(original, on=original.columns, how="semi").height < original.height / 2
