"""Splits as known at each row: bars before an ex-date, brought to the basis that holds at the row.

A split takes effect at New York's midnight of its ex-date: trading before the open is on the new basis already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time

import numpy as np
import polars as pl

from shared.contracts.calendar import NEW_YORK
from shared.contracts.lake import ACTIONS, KNOWN_AT
from shared.contracts.versions import strongest_last
from shared.features.arrays import MINUTE_US, BarArrays, Flags, Floats, Ints, instant_us
from shared.features.knowledge import Rows, Segment


@dataclass(frozen=True, slots=True)
class Split:
    """One split with its versions, the strongest last.

    Attributes:
        minute: First minute (since 1970, UTC) on the new basis.
        known: Microseconds since 1970 from which each version may be used.
        ratios: New shares for one old, for each version.
    """

    minute: int
    known: Ints
    ratios: Floats

    def ratio_at(self, rows: Rows) -> Floats:
        """Return the ratio for each row; 1 where the split is not known or not in effect yet."""
        version = np.searchsorted(self.known, rows.as_of, "right") - 1
        holds = (version >= 0) & (rows.minutes >= self.minute)
        return np.where(holds, self.ratios[version], 1.0)


def first_minute(ex_date: date) -> int:
    """Return the first minute (since 1970, UTC) on the basis after a split with this ex-date."""
    return instant_us(datetime.combine(ex_date, time(), NEW_YORK)) // MINUTE_US


def splits_within(actions: pl.DataFrame, minutes: Ints) -> list[Split]:
    """Return the splits that take effect after the first and not after the last of `minutes`, by ex-date and label."""
    if actions.is_empty() or not len(minutes):
        return []
    splits = actions.filter(pl.col("action") == "split")
    found = [_split(versions) for _, versions in _by_fact(splits)]
    return [split for split in found if minutes[0] < split.minute <= minutes[-1]]


def _by_fact(splits: pl.DataFrame) -> list[tuple[object, pl.DataFrame]]:
    ordered = strongest_last(ACTIONS, splits).sort("ex_date", maintain_order=True)
    return list(ordered.group_by("ex_date", "label", maintain_order=True))


def _split(versions: pl.DataFrame) -> Split:
    known = versions[KNOWN_AT].dt.cast_time_unit("us").to_physical().to_numpy()
    return Split(first_minute(versions["ex_date"][0]), known, versions["ratio"].to_numpy())


def ratios_of(splits: list[Split], rows: Rows) -> Floats:
    """Return the ratio of each split (columns) for each row."""
    return np.column_stack([split.ratio_at(rows) for split in splits]) if splits else np.ones((len(rows.minutes), 0))


def cuts_of(ratios: Floats) -> Flags | None:
    """Return whether the ratios change between each row and the next; None without splits."""
    return (ratios[1:] != ratios[:-1]).any(axis=1) if ratios.size else None


def adjusted_bars(segment: Segment, splits: list[Split], ratios: Floats) -> BarArrays:
    """Return the segment's bars on the basis of its rows.

    Args:
        segment: Its bars flagged `adjusted` stay as they are: their source did it.
        splits: In effect somewhere within the bars.
        ratios: Of each split for the segment's rows.
    """
    bars = segment.bars
    for split, ratio in zip(splits, ratios.tolist(), strict=True):
        before = (bars.minutes < split.minute) & ~segment.adjusted
        if ratio != 1.0 and before.any():
            bars = _divided(bars, np.where(before, ratio, 1.0))
    return bars


def _divided(bars: BarArrays, by: Floats) -> BarArrays:
    prices = {name: getattr(bars, name) / by for name in ("open", "high", "low", "close", "vwap")}
    return replace(bars, **prices, volume=bars.volume * by)
