"""Values of a week that several computations share: a late bar's remade rows are a prefix of what follows it.

Values of a bench are also those of every bench whose bars are a prefix of its own: that is what features promise.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contracts.weeks import IsoWeek
from shared.features.arrays import BarArrays
from shared.features.bar_versions import Versions, read_versions
from shared.features.bench import Bench
from shared.features.feature import Feature

Values = NDArray[np.float32]
MOST_BYTES: Final = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    bench: Bench
    features: tuple[Feature, ...]
    values: Values

    @property
    def nbytes(self) -> int:
        return int(self.values.nbytes) + self.bench.history.nbytes

    def serves(self, bench: Bench, features: tuple[Feature, ...]) -> bool:
        """Return whether the other bench is a prefix of this one, with the same slow facts."""
        count = len(bench.history)
        return (
            self.features is features
            and self.bench.week_start == bench.week_start
            and self.bench.facts is bench.facts
            and len(self.bench.history) >= count
            and _same(self.bench.as_of[: len(bench)], bench.as_of)
            and _equal(self.bench.history.cut(0, count), bench.history)
        )


class Memo:
    """Keeps the newest values, up to `most_bytes`, and the bars that were read last. Not for several threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._bytes = 0
        self._made = 0
        self._read: tuple[pl.DataFrame, IsoWeek, Versions] | None = None

    def versions(self, bars: pl.DataFrame, week: IsoWeek, anchor: datetime) -> Versions:
        """Return what `read_versions` returns."""
        if self._read is None or self._read[0] is not bars or self._read[1] != week:
            self._read = (bars, week, read_versions(bars, week, anchor))
        return self._read[2]

    def find(self, bench: Bench, features: tuple[Feature, ...]) -> Values | None:
        """Return the features' values of all rows of the bench's week; None if they are not here."""
        for number, entry in reversed(self._entries.items()):
            if entry.serves(bench, features):
                self._entries.move_to_end(number)
                return entry.values[:, : bench.week_rows]
        return None

    def keep(self, bench: Bench, features: tuple[Feature, ...], values: Values) -> None:
        """Keep the values of all rows of the bench's week; they must not change any more."""
        entry = _Entry(bench.bare(), features, values)
        self._made += 1
        self._entries[self._made] = entry
        self._bytes += entry.nbytes
        while self._bytes > self._most:
            self._bytes -= self._entries.popitem(last=False)[1].nbytes


def _equal(left: BarArrays, right: BarArrays) -> bool:
    return all(_same(getattr(left, field.name), getattr(right, field.name)) for field in fields(left))


def _same(left: NDArray[np.generic], right: NDArray[np.generic]) -> bool:
    """Return whether two contiguous arrays have the same bits."""
    return left.shape == right.shape and bool((left.view(np.int64) == right.view(np.int64)).all())
