"""What was known of a macro series at an instant: its newest observation, and those that it is compared with."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import isnan
from operator import itemgetter
from typing import Final

import numpy as np
import polars as pl

from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.lake import KNOWN_AT, MACRO
from shared.features.arrays import Floats, Ints
from shared.features.prepared import by_knowledge, kept


@dataclass(frozen=True, slots=True)
class Series:
    """How a series is used.

    Attributes:
        oldest: Days from an observation's date after which it is no longer the present: too old counts as missing.
            A little more than the longest usual wait: a month's figure is dated its first day and replaced after 75.
        lags: Months back to the earlier observations that the newest is compared with.
    """

    oldest: int
    lags: tuple[int, ...] = ()


SERIES: Final[Mapping[str, Series]] = {
    "GDPC1": Series(300, (3, 12)),
    "CPIAUCSL": Series(120, (1, 12)),
    "FEDFUNDS": Series(120, (12,)),
    "UNRATE": Series(120, (12,)),
    "DGS10": Series(14),
    "DGS2": Series(14),
    "T10Y2Y": Series(14),
    "VIXCLS": Series(14),
}

_DAYS_A_MONTH: Final = 31
_WEEK_MINUTES: Final = 7 * 24 * 60
_WEEK_US: Final = _WEEK_MINUTES * 60_000_000
_MOST_MADE: Final = 256


@dataclass(frozen=True, slots=True)
class Vintages:
    """All versions of one series in the order in which they took effect.

    Attributes:
        series: How it is used.
        known: Microseconds since 1970 at which each became known.
        date: Its observation's date, days since 1970.
        value: NaN where the source has none, or withdrew it.
        made: The steps that were made last, by the weeks that they are of.
    """

    series: Series
    known: Ints
    date: Ints
    value: Floats
    made: dict[tuple[int, int], MacroSteps] = field(default_factory=dict)

    def steps(self, first_minute: int, until: int) -> MacroSteps:
        """Return what was known of the series, for rows of whole weeks around the asked ones.

        Args:
            first_minute: Start of the first row's bar, minutes since 1970.
            until: The last instant that is asked for, microseconds since 1970.
        """
        weeks = first_minute // _WEEK_MINUTES, until // _WEEK_US + 1
        if weeks not in self.made:
            if len(self.made) >= _MOST_MADE:
                self.made.clear()
            self.made[weeks] = macro_steps(self, weeks[0] * 7, weeks[1] * _WEEK_US)
        return self.made[weeks]


@dataclass(frozen=True, slots=True)
class MacroSteps:
    """What was known of a series from one instant to the next; the first step is before anything was known.

    Attributes:
        known: Microseconds since 1970 at which each step but the first begins.
        date: Date of the newest observation that has a value, days since 1970; very small before there is one.
        value: That observation, as it stood then; NaN where there is none.
        previous: The observation before it that has a value, as it stood then; NaN where that is older than
            `Series.oldest` before the newest.
        before: By months of lag: the observation exactly so many months before it, as it stood then.
    """

    known: Ints
    date: Ints
    value: Floats
    previous: Floats
    before: Mapping[int, Floats]


@kept(frames=4)
def vintages_of(macro: pl.DataFrame) -> dict[str, Vintages]:
    """Return the versions by series; `macro` in the lake's columns, any order."""
    wanted = [prefix + name for name in SERIES for prefix in ("", SIMULATED_PREFIX)]
    ordered = by_knowledge(MACRO, macro.filter(pl.col("series").is_in(wanted)))
    return {
        str(name): Vintages(
            SERIES[str(name).removeprefix(SIMULATED_PREFIX)],
            known=part[KNOWN_AT].to_physical().to_numpy().astype(np.int64),
            date=part["date"].to_physical().cast(pl.Int64).to_numpy(),
            value=part["value"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        )
        for (name,), part in ordered.partition_by("series", as_dict=True).items()
    }


def macro_steps(vintages: Vintages, first_day: int, until: int) -> MacroSteps:
    """Return what was known of a series.

    Args:
        vintages: Its versions.
        first_day: The rows' first day (since 1970). Observations too old to be of use to it are not looked at.
        until: The last instant that is asked for, microseconds since 1970.
    """
    series = vintages.series
    reach = series.oldest + max(series.oldest, _DAYS_A_MONTH * max(series.lags, default=0))
    wanted = (vintages.date >= first_day - reach) & (vintages.known <= until)
    known, date, value = vintages.known[wanted], vintages.date[wanted], vintages.value[wanted]
    lagged = [months_before(date, months).tolist() for months in series.lags]
    earlier = {day: days for day, *days in zip(date.tolist(), *lagged, strict=True)}
    steps = _walk(zip(known.tolist(), date.tolist(), value.tolist(), strict=True), earlier, series)
    columns = list(zip(*steps, strict=True))
    return MacroSteps(
        known=np.array(columns[0][1:], np.int64),
        date=np.array(columns[1], np.int64),
        value=np.array(columns[2]),
        previous=np.array(columns[3]),
        before={months: np.array(column) for months, column in zip(series.lags, columns[4:], strict=True)},
    )


def months_before(days: Ints, months: int) -> Ints:
    """Return the same day of the month so many months earlier, days since 1970; it may run over a shorter month."""
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    day_of_month = dates - month.astype("datetime64[D]")
    return np.asarray(((month - months).astype("datetime64[D]") + day_of_month).astype(np.int64))


_Step = tuple[float, ...]
_NEVER: Final = -(10**9)


def _walk(
    versions: Iterable[tuple[int, int, float]], earlier: Mapping[int, Sequence[int]], series: Series
) -> list[_Step]:
    """Return (known, date, value, previous, one for each lag), before everything and after each instant's news.

    Args:
        versions: (known, date, value), in the order in which they take effect.
        earlier: By date: the dates that lie the series' lags before it.
        series: How it is used.
    """
    missing = float("nan")
    steps: list[_Step] = [(_NEVER, _NEVER, missing, missing, *(missing for _ in series.lags))]
    now: dict[int, float] = {}
    held: list[int] = []  # the keys of `now`, ascending
    for known, news in groupby(versions, key=itemgetter(0)):
        for _, date, value in news:
            if now.pop(date, None) is not None:
                held.remove(date)
            if not isnan(value):
                insort(held, date)
                now[date] = value
        if not held:
            steps.append((known, *steps[0][1:]))
            continue
        newest = held[-1]
        recent = len(held) > 1 and held[-2] >= newest - series.oldest
        before = (now.get(day, missing) for day in earlier[newest])
        steps.append((known, newest, now[newest], now[held[-2]] if recent else missing, *before))
    return steps
