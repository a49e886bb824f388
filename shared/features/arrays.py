"""Bars of one ticker as contiguous arrays, one row a bar, sorted by time; and how instants are counted in them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

MINUTE_US: Final = 60_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant_us(instant: datetime) -> int:
    """Return microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class BarArrays:
    """Bars as arrays of one length, each contiguous.

    Attributes:
        minutes: Start of each bar, minutes since 1970 (UTC), strictly increasing. Missing minutes are missing.
        open: And high, low, close, vwap: dollars a share, in the split basis of the bench's last row.
        volume: Shares, in the same basis.
        trade_count: Trades; NaN where the source has none, as in `vwap`.
        feed: Code of the bar's feed; equal codes mean the same feed, -1 means unknown.
    """

    minutes: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    trade_count: Floats
    vwap: Floats
    feed: Ints

    def cut(self, first: int, end: int | None = None) -> BarArrays:
        """Return the bars [first, end) as views of the same memory."""
        return BarArrays(*(getattr(self, field.name)[first:end] for field in fields(self)))

    def take(self, places: Ints) -> BarArrays:
        """Return copies of the bars at `places`."""
        return BarArrays(*(getattr(self, field.name)[places] for field in fields(self)))

    @property
    def nbytes(self) -> int:
        """Return the size of all arrays."""
        return sum(int(getattr(self, field.name).nbytes) for field in fields(self))

    def __len__(self) -> int:
        return len(self.minutes)
