"""Every version of a ticker's bars as arrays: read from a frame in any order, repetitions left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from shared.contracts.bars import BAR_COLUMNS
from shared.contracts.lake import STOCK
from shared.contracts.versions import strongest_last
from shared.contracts.weeks import IsoWeek
from shared.errors import ContractError
from shared.features.arrays import MINUTE_US, BarArrays, Flags, Ints, instant_us

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
