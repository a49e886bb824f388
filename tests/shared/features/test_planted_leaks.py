"""Each planted leak makes the check for look-ahead fail, where its honest counterpart passes."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from shared.features.bench import Bench
from shared.features.feature import Feature, Group
from shared.features.lookahead import LookaheadReport, check_lookahead
from tests.shared.features.made_facts import WEEK, made_bars, made_context

Values = NDArray[np.float64]
Compute = Callable[[Bench], Values]

BARS, CONTEXT = made_bars(7, extended=False), made_context(7)


def check(compute: Compute) -> LookaheadReport:
    planted = Feature("planted", Group.MOMENTUM, "1m", 0, 0, True, "", "", "", compute)
    return check_lookahead(BARS, CONTEXT, [WEEK], instants=5, seed=3, features=(planted,))


def by_day(bench: Bench, reduce: Callable[[Values], object]) -> Values:
    """What `reduce` gives of each session's volumes."""
    values = np.empty(len(bench))
    for day in np.unique(bench.session.day):
        held = bench.session.day == day
        values[held] = reduce(bench.volume[held])
    return values


def honest_day(bench: Bench) -> Values:
    return bench.volume / by_day(bench, np.cumsum)


def total_of_the_day(bench: Bench) -> Values:
    return bench.volume / by_day(bench, np.sum)


def trailing_window(bench: Bench) -> Values:
    return np.convolve(bench.close, np.ones(11) / 11)[: len(bench)]


def centred_window(bench: Bench) -> Values:
    return np.convolve(bench.close, np.ones(11) / 11, mode="same")


def expanding_score(bench: Bench) -> Values:
    return bench.close - np.cumsum(bench.close) / np.arange(1, len(bench) + 1)


def global_z_score(bench: Bench) -> Values:
    return np.asarray((bench.close - bench.close.mean()) / bench.close.std())


def newest_bar(bench: Bench) -> Values:
    return bench.close / bench.open


def unfinished_bar(bench: Bench) -> Values:
    """A bar is taken at its stamp, as if it were over then: the row's own instant lies in the next bar."""
    return np.append(bench.close[1:], np.nan) / bench.close


def closed_higher_bar(bench: Bench) -> Values:
    higher = bench.higher("15m")
    return higher.align(higher.bars.close)


def open_higher_bar(bench: Bench) -> Values:
    """The bar that each row lies in, though it has not closed yet."""
    bars = bench.higher("15m").bars
    place = np.searchsorted(bars.minutes, bench.minutes, side="right") - 1
    return np.where(place >= 0, bars.close[place], np.nan)


def day_of(bench: Bench) -> NDArray[np.int64]:
    return np.asarray(bench.minutes // 1440)


def looked_up(days: pl.Series, values: pl.Series, asked: NDArray[np.int64]) -> Values:
    """The value of the last of the ascending `days` up to each asked one."""
    place = np.searchsorted(days.to_physical().to_numpy(), asked, side="right") - 1
    return np.append(values.to_numpy(), np.nan)[place]


def macro_as_known(bench: Bench) -> Values:
    steps = bench.context.macro("VIXCLS")
    assert steps is not None
    return bench.context.spread_macro("VIXCLS", steps.value)


def macro_by_observation_date(bench: Bench) -> Values:
    series = bench.facts.macro.filter(pl.col("series") == "VIXCLS").sort("date", "known_at")
    newest = series.unique("date", keep="last", maintain_order=True)
    return looked_up(newest["date"], newest["value"], day_of(bench))


def filing_as_known(bench: Bench) -> Values:
    steps = bench.context.filings
    assert steps is not None
    return bench.context.spread_filing(steps.newest["revenue"])


def filing_by_period_end(bench: Bench) -> Values:
    first = bench.facts.filings.sort("period_end", "known_at").unique("period_end", keep="first", maintain_order=True)
    return looked_up(first["period_end"], first["revenue"], day_of(bench))


def filing_as_restated(bench: Bench) -> Values:
    """The newest filing by the time of its first version, with the numbers of its last one."""
    key = ["period", "period_end"]
    ordered = bench.facts.filings.sort("known_at").with_columns(pl.col("revenue").last().over(key).alias("last"))
    first = ordered.unique(key, keep="first", maintain_order=True)
    return looked_up(first["known_at"], first["last"], bench.as_of)


def last_line_of_the_file(bench: Bench) -> Values:
    """The newest known value is taken to be the last one in the frame, whatever its order."""
    values = np.full(len(bench), np.nan)
    series = bench.facts.macro.filter(pl.col("series") == "VIXCLS", pl.col("value").is_not_null())
    known = series["known_at"].to_physical().to_numpy()
    for instant in np.unique(bench.as_of // 86_400_000_000):
        rows = bench.as_of // 86_400_000_000 == instant
        before = np.flatnonzero(known <= bench.as_of[rows].min())
        values[rows] = series["value"][int(before[-1])]
    return values


@pytest.mark.parametrize(
    "leak",
    [
        total_of_the_day,
        centred_window,
        global_z_score,
        unfinished_bar,
        open_higher_bar,
        macro_by_observation_date,
        filing_by_period_end,
        filing_as_restated,
        last_line_of_the_file,
    ],
    ids=lambda leak: leak.__name__,
)
def test_planted_leak_fails_the_check(leak: Compute) -> None:
    report = check(leak)
    assert not report.clean
    assert report.different.keys() == {"planted"}
    assert report.different["planted"] >= len(report.examples) > 0


@pytest.mark.parametrize(
    "honest",
    [honest_day, trailing_window, expanding_score, newest_bar, closed_higher_bar, macro_as_known, filing_as_known],
    ids=lambda honest: honest.__name__,
)
def test_honest_counterpart_passes_the_check(honest: Compute) -> None:
    report = check(honest)
    assert report.clean, report.examples[:3]
