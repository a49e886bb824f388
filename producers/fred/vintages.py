"""Vintages from ALFRED's intervals, where a long history had to be asked for in several real-time periods."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from producers.fred.client import BEGINNING, MISSING, Interval

ONE_DAY: Final = timedelta(days=1)
NEVER: Final = date.max
Period = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Change:
    """From the date `vintage` on, the observation of `observed` has the text `value` ("." where it has none)."""

    observed: date
    vintage: date
    value: str


def periods(vintage_dates: Sequence[date], until: date, most: int) -> Iterator[Period]:
    """Yield adjoining real-time periods from FRED's beginning to `until`, inclusive, of at most `most` vintages each.

    Args:
        vintage_dates: Ascending, none after `until`.
        until: Last day of the last period.
        most: How many vintages FRED answers in one request.
    """
    firsts = [BEGINNING, *vintage_dates[most::most]]
    for first, following in itertools.zip_longest(firsts, firsts[1:]):
        yield first, (following - ONE_DAY if following else until)


def changes(period: Period, intervals: Iterable[Interval], before: Mapping[date, str]) -> Iterator[Change]:
    """Yield what changed within one period, by observation date and vintage.

    FRED cuts an interval at the edges of the period, so a value that goes on from the period before seems to begin
    with this one; and a value that ended just there is simply not told any more.

    Args:
        period: First and last day that were asked for.
        intervals: FRED's answer, in any order.
        before: What was in force on the day before the period, by observation date (see `in_force`).
    """
    first, last = period
    by_date: defaultdict[date, list[Interval]] = defaultdict(list)
    for interval in sorted(intervals, key=lambda i: i.start):
        by_date[interval.observed].append(interval)
    for observed in sorted({*by_date, *before}):
        value, covered_until = before.get(observed), first
        for interval in by_date[observed]:
            if value not in (None, MISSING) and interval.start > covered_until:
                yield Change(observed, covered_until, MISSING)
                value = MISSING
            if interval.value != value:
                yield Change(observed, interval.start, interval.value)
            value = interval.value
            covered_until = interval.end + ONE_DAY if interval.end < last else NEVER
        if value not in (None, MISSING) and covered_until <= last:
            yield Change(observed, covered_until, MISSING)


def in_force(period: Period, intervals: Iterable[Interval]) -> dict[date, str]:
    """Return what is in force on the last day of the period, by observation date."""
    return {i.observed: i.value for i in intervals if i.end >= period[1]}
