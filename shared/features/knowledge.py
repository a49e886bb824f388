"""Which version of each bar a row may look at, and where in a week that changes: its knowledge segments.

A row of bar t sees, of every bar up to t, the strongest version with known_at <= as_of of the row. Mostly that is one
version a bar and one segment a week; a late or corrected bar cuts the week where it becomes known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from shared.contracts.weeks import IsoWeek
from shared.features.arrays import MINUTE_US, BarArrays, Flags, Ints, instant_us
from shared.features.bar_versions import Versions


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a week: one for each bar in it.

    Attributes:
        minutes: Start of each bar, minutes since 1970, increasing.
        as_of: Microseconds since 1970: up to when bars and splits count as known to the row.
        own: Microseconds since 1970: when the row's bar became known first. Slow facts count up to here only: made
            again years later for a corrected bar, a row must not learn the news of those years.
    """

    minutes: Ints
    as_of: Ints
    own: Ints

    def since(self, first: int) -> Rows:
        """Return the rows from place `first` on."""
        return Rows(self.minutes[first:], self.as_of[first:], self.own[first:])


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows [first, end) of a week that see the same versions.

    Attributes:
        first: Its first row.
        end: After its last row.
        bars: The bars that they see, from the anchor to the last row, raw; one version a bar.
        adjusted: As in Versions, for each of `bars`.
        as_of: For each of `bars`, up to when slow facts count as known to its row.
    """

    first: int
    end: int
    bars: BarArrays
    adjusted: Flags
    as_of: Ints


def rows_of(versions: Versions, week: IsoWeek, as_of: datetime | None) -> Rows:
    """Return the week's rows: each as of its bar's least known time, or of `as_of` where that is later."""
    start = int(np.searchsorted(versions.bars.minutes, instant_us(week.start) // MINUTE_US))
    minutes, known = versions.bars.minutes[start:], versions.known[start:]
    if not versions.single and len(minutes):
        firsts = np.flatnonzero(np.diff(minutes, prepend=minutes[0] - 1))
        minutes, known = minutes[firsts], known[firsts]
    return Rows(minutes, known if as_of is None else np.maximum(known, instant_us(as_of)), known)


def rows_until(rows: Rows, as_of: datetime) -> Rows:
    """Return the rows up to the last one whose bar was known by `as_of`."""
    made = np.flatnonzero(rows.own <= instant_us(as_of))
    end = int(made[-1]) + 1 if made.size else 0
    return Rows(rows.minutes[:end], rows.as_of[:end], rows.own[:end])


def segments(versions: Versions, rows: Rows, more_cuts: Flags | None = None, since: int = 0) -> Iterator[Segment]:
    """Yield the week's knowledge segments in order; together they have every row once.

    Args:
        versions: From the anchor to the end of the week.
        rows: Of the week.
        more_cuts: Whether knowledge of something else, such as splits, changes between each row and the next one
            (one value fewer than rows).
        since: Segments that end at or before this row are left out.
    """
    if not len(rows.minutes):
        return
    cuts = np.zeros(len(rows.minutes) - 1, np.bool_) if versions.single else _cuts(versions, rows)
    if more_cuts is not None:
        cuts = cuts | more_cuts
    edges = [0, *(np.flatnonzero(cuts) + 1).tolist(), len(rows.minutes)]
    places = np.searchsorted(rows.minutes, versions.bars.minutes, "right") - 1  # of each bar's row; -1 before the week
    for first, end in pairwise(edges):
        if end > since:
            yield _segment(versions, rows, places, first, end)


def _cuts(versions: Versions, rows: Rows) -> Flags:
    """Return whether some bar up to each row has another version at the next row, by what became known in between."""
    order = np.argsort(versions.known, kind="stable")
    known = versions.known[order]
    # The row of each version's bar; bars before the week lie before every row. The last one is a sentinel.
    places = np.append(np.searchsorted(rows.minutes, versions.bars.minutes[order], "right") - 1, len(rows.minutes))
    low = np.searchsorted(known, np.minimum(rows.as_of[:-1], rows.as_of[1:]), "right")
    high = np.searchsorted(known, np.maximum(rows.as_of[:-1], rows.as_of[1:]), "right")
    earliest = np.minimum.reduceat(places, np.column_stack([low, high]).ravel())[::2]
    return (high > low) & (earliest <= np.arange(len(low)))


def _segment(versions: Versions, rows: Rows, places: Ints, first: int, end: int) -> Segment:
    """Return rows [first, end) with what they see. No cut lies between them, so each bar has one version in all."""
    stop = int(np.searchsorted(versions.bars.minutes, rows.minutes[end - 1], "right"))
    bars, adjusted, places = versions.bars.cut(0, stop), versions.adjusted[:stop], places[:stop]
    if not versions.single:
        visible = versions.known[:stop] <= rows.as_of[np.maximum(places, first)]
        beaten = np.append((bars.minutes[1:] == bars.minutes[:-1]) & visible[1:], False)
        chosen = np.flatnonzero(visible & ~beaten)
        bars, adjusted, places = bars.take(chosen), adjusted[chosen], places[chosen]
    return Segment(first, end, bars, adjusted, rows.own[np.maximum(places, 0)])
