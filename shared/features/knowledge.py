"""Which version of each bar a row may look at, and where in a week that changes: its knowledge segments.

A row of bar t sees, of every bar up to t, the strongest version with known_at <= as_of of the row. Mostly that is one
version a bar and one segment a week; a late or corrected bar cuts the week where it becomes known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contracts.bars import BAR_COLUMNS
from shared.contracts.lake import STOCK
from shared.contracts.versions import strongest_last
from shared.contracts.weeks import IsoWeek
from shared.errors import ContractError
from shared.features.arrays import BarArrays, Ints

Flags = NDArray[np.bool_]
MINUTE_US: Final = 60_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FLOATS: Final = ("open", "high", "low", "close", "volume", "trade_count", "vwap")
_VALUES: Final = (*FLOATS, "feed", "adjusted")


@dataclass(frozen=True, slots=True)
class Versions:
    """Every version of a ticker's bars, sorted by minute and, of one bar, the strongest last.

    Attributes:
        bars: The values; `minutes` repeats where a bar has several versions.
        known: Microseconds since 1970 from which each version may be used.
        adjusted: Whether the source has adjusted its prices for splits already.
        single: Whether every bar has one version, and each became known no earlier than the bar before it.
        ticker: Whose bars; empty where there is none.
        simulated: Whether the ticker is simulated.
    """

    bars: BarArrays
    known: Ints
    adjusted: Flags
    single: bool
    ticker: str
    simulated: bool


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


def instant_us(instant: datetime) -> int:
    """Return microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def read_versions(bars: pl.DataFrame, week: IsoWeek, anchor: datetime) -> Versions:
    """Return the versions of the bars in [anchor, end of the week).

    Raises:
        ContractError: a column is missing, or the bars are of several tickers.
    """
    if missing := [name for name in BAR_COLUMNS if name not in bars.columns]:
        raise ContractError(f"the bars lack the columns {', '.join(missing)}. Mend what read them.")
    inside = _between(bars, instant_us(anchor), instant_us(week.end)).rechunk()
    for name in ("ticker", "simulated"):
        if inside.height and not (inside[name] == inside[name][0]).all():
            raise ContractError(f"the bars of one week differ in {name}. Pass those of one ticker.")
    single = _increases(_instants(inside, "timestamp")) and bool((np.diff(_instants(inside, "known_at")) >= 0).all())
    return _as_arrays(inside if single else _without_repeats(inside), single)


def _instants(bars: pl.DataFrame, name: str) -> Ints:
    return bars[name].cast(pl.Int64).to_numpy()


def _increases(values: Ints) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _between(bars: pl.DataFrame, first: int, end: int) -> pl.DataFrame:
    """Return the bars that start in [first, end), microseconds since 1970."""
    stamps = _instants(bars, "timestamp")
    if _increases(stamps):
        low, high = np.searchsorted(stamps, (first, end)).tolist()
        return bars.slice(low, high - low)
    return bars.filter((stamps >= first) & (stamps < end))


def _without_repeats(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the versions in order; one that only says again what the version before it said is left out."""
    ordered = strongest_last(STOCK, bars)
    same = [pl.col(name).eq_missing(pl.col(name).shift()) for name in ("timestamp", *_VALUES)]
    return ordered.filter(~pl.all_horizontal(*same).fill_null(False)).rechunk()


def _as_arrays(bars: pl.DataFrame, single: bool) -> Versions:
    floats = {name: bars[name].cast(pl.Float64).to_numpy() for name in FLOATS}  # a null becomes NaN
    minutes = _instants(bars, "timestamp") // MINUTE_US
    arrays = BarArrays(minutes=minutes, feed=_feed_codes(bars["feed"]), **floats)
    ticker, simulated = (bars["ticker"][0], bars["simulated"][0]) if bars.height else ("", False)
    return Versions(arrays, _instants(bars, "known_at"), bars["adjusted"].to_numpy(), single, ticker, simulated)


def _feed_codes(feeds: pl.Series) -> Ints:
    """Return one number a feed, -1 where it is unknown."""
    if feeds.null_count() == len(feeds):
        return np.full(len(feeds), -1)
    if not feeds.null_count() and (feeds == feeds[0]).all():
        return np.zeros(len(feeds), np.int64)
    names = feeds.unique().drop_nulls().sort()
    codes = feeds.replace_strict(names, pl.arange(len(names), eager=True), default=-1, return_dtype=pl.Int64)
    return codes.to_numpy()


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
