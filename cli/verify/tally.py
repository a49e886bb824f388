"""Sets of bars by ticker and week, 8 bytes a bar: what was read from files, from topics, or from the lake."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from cli.verify.content import Hashes, Minutes, distinct, weeks_of

_NONE: Hashes = np.empty(0, dtype=np.uint64)


@dataclass
class Tally:
    """Row hashes by (ticker, week), in bounded memory: the rows themselves are not kept."""

    _parts: dict[str, dict[int, list[Hashes]]] = field(default_factory=dict)

    def add(self, ticker: str, minutes: Minutes, hashes: Hashes) -> None:
        """Add bars of one ticker, one hash a bar."""
        if not len(minutes):
            return
        weeks = self._parts.setdefault(ticker, {})
        for week, rows in by_week(minutes):
            weeks.setdefault(week, []).append(hashes[rows])

    @property
    def tickers(self) -> list[str]:
        """Return the tickers, sorted."""
        return sorted(self._parts)

    def weeks(self, ticker: str) -> list[int]:
        """Return the ticker's weeks, sorted."""
        return sorted(self._parts.get(ticker, {}))

    def rows(self, ticker: str, week: int) -> Hashes:
        """Return the hashes of every bar that was added, repetitions included."""
        parts = self._parts.get(ticker, {}).get(week, [])
        return np.concatenate(parts) if parts else _NONE

    def distinct(self, ticker: str, week: int) -> Hashes:
        """Return the sorted hashes of the different bars."""
        return distinct(self.rows(ticker, week))


def by_week(minutes: Minutes) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (week, indices of its rows)."""
    if not len(minutes):
        return
    weeks = weeks_of(minutes)
    if weeks[0] == weeks[-1] and (weeks == weeks[0]).all():
        yield int(weeks[0]), np.arange(len(minutes))
        return
    order = np.argsort(weeks, kind="stable")
    starts = np.flatnonzero(np.diff(weeks[order], prepend=weeks[order[0]] - 1))
    for rows in np.split(order, starts[1:]):
        yield int(weeks[rows[0]]), rows


def missing_from(wanted: Hashes, found: Hashes) -> int:
    """Return how many different bars of `wanted` are not in `found`; both sorted, each once."""
    if np.array_equal(wanted, found):
        return 0
    return int(np.setdiff1d(wanted, found).size)
