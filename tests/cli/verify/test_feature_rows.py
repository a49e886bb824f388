"""Stored rows against a fresh computation: what is equal, and each thing that can be wrong."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from cli.verify.feature_rows import RowsReport, compare_week
from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import SimulatedHistory
from producers.source import Bars
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import CATALOGUE
from shared.features.compute import compute_week
from shared.features.context import EMPTY_CONTEXT

LATE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """Bars of one ticker, two weeks."""
    source = SimulatedHistory(SimulatedSettings.load(simulated_tickers=1, simulated_sessions=8))
    parts = [item.frame for unit in source.units() for item in source.read(unit) if isinstance(item, Bars)]
    found = pl.concat(parts).unique("timestamp").sort("timestamp")
    return found.filter(pl.col("ticker") == found["ticker"][0])


@pytest.fixture(scope="module")
def week(bars: pl.DataFrame) -> IsoWeek:
    return IsoWeek.of(bars["timestamp"][-1])


@pytest.fixture(scope="module")
def stored(bars: pl.DataFrame, week: IsoWeek) -> pl.DataFrame:
    """The week's rows as the table has them."""
    return compute_week(bars, EMPTY_CONTEXT, week).with_columns(pl.lit(1, pl.Int32).alias("revision"))


def check(stored: pl.DataFrame, bars: pl.DataFrame, week: IsoWeek) -> RowsReport:
    return compare_week(stored, bars, EMPTY_CONTEXT, week, CATALOGUE)


def changed(rows: pl.DataFrame, place: int, column: str, value: pl.Expr) -> pl.DataFrame:
    here = pl.int_range(pl.len()) == place
    return rows.with_columns(pl.when(here).then(value).otherwise(pl.col(column)).alias(column))


def test_rows_equal_to_the_computation_are_clean(stored: pl.DataFrame, bars: pl.DataFrame, week: IsoWeek) -> None:
    found = check(stored, bars, week)
    assert found.clean
    assert found.rows == found.revisions == stored.height > 300
    assert found.values == stored.height * (len(CATALOGUE) + 5)  # and open, close, volume, session, simulated


def test_one_bit_null_or_word_that_differs_is_found(stored: pl.DataFrame, bars: pl.DataFrame, week: IsoWeek) -> None:
    name = next(f.name for f in CATALOGUE if stored[f.name].null_count() == 0)
    bit = changed(stored, 5, name, (pl.col(name) * (1 + 2.0**-23)).cast(pl.Float32))
    assert check(bit, bars, week).different == {name: 1}
    null = changed(stored, 6, name, pl.lit(None, pl.Float32))
    found = check(null, bars, week)
    assert (found.different, found.examples[0].stored) == ({name: 1}, None)
    assert check(changed(stored, 7, "session", pl.lit("never")), bars, week).different == {"session": 1}


def test_bar_without_row_and_row_without_bar_are_found(stored: pl.DataFrame, bars: pl.DataFrame, week: IsoWeek) -> None:
    lacking = check(stored.slice(1), bars, week)
    assert (lacking.missing, lacking.unexplained, lacking.clean) == (1, 0, False)
    gone = bars.filter(pl.col("timestamp") != stored["timestamp"][-1])
    assert check(stored, gone, week).unexplained == 1


def test_revision_of_a_later_instant_is_made_again_as_of_it(bars: pl.DataFrame, week: IsoWeek) -> None:
    middle = bars.filter(pl.col("timestamp") >= week.start)["timestamp"][100]
    first = bars.filter(pl.col("timestamp") == middle)
    corrected = first.with_columns(
        pl.col("close") * 1.001, pl.col("high") * 1.01, known_at=pl.lit(LATE), known_basis=pl.lit("observed")
    )
    everything = pl.concat([bars, corrected.select(bars.columns)], how="vertical_relaxed")
    own = compute_week(everything, EMPTY_CONTEXT, week).with_columns(pl.lit(1, pl.Int32).alias("revision"))
    later = compute_week(everything, EMPTY_CONTEXT, week, LATE).with_columns(pl.lit(2, pl.Int32).alias("revision"))
    stored = pl.concat([own, later.filter(pl.col("timestamp") >= middle)])
    found = check(stored, everything, week)
    assert found.clean, found
    assert found.revisions == stored.height > own.height
    wrong = later.with_columns(as_of=pl.col("as_of") - timedelta(seconds=1))  # as of before the correction was known
    found = check(pl.concat([own, wrong.filter(pl.col("timestamp") >= middle)]), everything, week)
    assert found.different["close"] == 1


def test_revision_overtaken_under_the_same_instant_is_counted(
    stored: pl.DataFrame, bars: pl.DataFrame, week: IsoWeek
) -> None:
    before = changed(stored, 3, "volume", pl.lit(1.0)).slice(3, 1)
    after = stored.with_columns(revision=pl.when(pl.int_range(pl.len()) == 3).then(2).otherwise(1).cast(pl.Int32))
    found = check(pl.concat([before, after]), bars, week)
    assert (found.clean, found.overtaken) == (True, 1)


def test_what_was_made_after_the_instant_is_left_out(stored: pl.DataFrame, bars: pl.DataFrame, week: IsoWeek) -> None:
    made = changed(
        stored.with_columns(made_at=pl.lit(LATE - timedelta(hours=1))), stored.height - 1, "made_at", pl.lit(LATE)
    )
    landed = bars.filter(pl.col("timestamp") < bars["timestamp"].max())  # the lake has not the newest bar yet
    assert not check(made, landed, week).clean
    context, until = EMPTY_CONTEXT, LATE - timedelta(minutes=1)
    found = compare_week(made, landed, context, week, CATALOGUE, until)
    assert found.clean
    assert found.revisions == stored.height - 1
    # A bar that the lake has and that got its row only later is not without one; what was made before is compared.
    assert compare_week(made, bars, context, week, CATALOGUE, until).clean
    spoiled = changed(made, 5, "volume", pl.lit(1.0))
    assert compare_week(spoiled, landed, context, week, CATALOGUE, until).different == {"volume": 1}
