"""What was known at each row of a ticker's splits and dividends, past and to come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from shared.contracts.lake import ACTIONS, KNOWN_AT
from shared.features.arrays import Floats, Ints
from shared.features.prepared import by_knowledge, kept
from shared.features.sessions import EPOCH, session_table

FARTHEST_DAYS: Final = 400
"""Actions that took effect longer ago, or will later, are not looked at: a year, and a month for one that moved."""

_MINUTES_A_DAY: Final = 1440
_FOREVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Action:
    """One version of one action.

    Attributes:
        kind: split or dividend.
        ordinary: Whether it has no label: the regular dividend.
        size: Ratio of a split, dollars a share of a dividend; NaN where the source has none.
        effect: Minute since 1970 at which it takes effect: the first session's open on or after the ex-date.
        known: Microseconds since 1970 from which this version counts.
        until: From which another version of the same action counts.
    """

    kind: str
    ordinary: bool
    size: float
    effect: int
    known: int
    until: int


@kept(frames=256)
def versions_of(actions: pl.DataFrame) -> tuple[Action, ...]:
    """Return the versions of a ticker's actions (lake's columns, any order) by the time of their effect."""
    ordered = by_knowledge(ACTIONS, actions).with_columns(
        pl.col(KNOWN_AT).to_physical().alias("known"),
        pl.col(KNOWN_AT).to_physical().shift(-1).over(ACTIONS.natural_key).alias("until"),
        pl.coalesce("ratio", "amount").alias("size"),
    )
    found = [
        Action(
            kind=row["action"],
            ordinary=not row["label"],
            size=float("nan") if row["size"] is None else row["size"],
            effect=_effect(row["ex_date"].toordinal() - EPOCH.toordinal()),
            known=row["known"],
            until=_FOREVER if row["until"] is None else row["until"],
        )
        for row in ordered.iter_rows(named=True)
    ]
    # A split on the day of a dividend comes first: its amount is told in new shares.
    return tuple(sorted(found, key=lambda a: (a.effect, a.kind != "split", not a.ordinary, a.known)))


def _effect(ex_day: int) -> int:
    year = (EPOCH + timedelta(days=ex_day)).year
    table = session_table(year, year)
    return int(table.opens[np.searchsorted(table.dates, ex_day)])


class Announced:
    """The actions as known at each row.

    Args:
        actions: Versions, from `versions_of`.
        minutes: Start of each row's bar, minutes since 1970.
        as_of: Microseconds since 1970 of each row.
    """

    def __init__(self, actions: tuple[Action, ...], minutes: Ints, as_of: Ints) -> None:
        self._minutes = minutes
        self._as_of = as_of
        reach = FARTHEST_DAYS * _MINUTES_A_DAY
        first, last = (int(minutes[0]), int(minutes[-1])) if minutes.size else (0, 0)
        latest = int(as_of.max()) if minutes.size else 0
        self._actions = [a for a in actions if first - reach <= a.effect <= last + reach and a.known <= latest]

    def _applies(self, action: Action) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return (self._as_of >= action.known) & (self._as_of < action.until)

    def days_to(self, kind: str) -> Floats:
        """Return the days from each bar's end to the next announced action of that kind; NaN where none is known."""
        wait = np.full(self._minutes.size, np.nan)
        for action in self._actions:
            if action.kind == kind:
                ahead = self._applies(action) & (action.effect > self._minutes)
                wait = np.where(ahead, np.fmin(wait, self._days(action)), wait)
        return self._within(wait)

    def days_since(self, kind: str) -> Floats:
        """Return the days from the newest action of that kind in effect to each bar's end; NaN where none is known."""
        age = np.full(self._minutes.size, np.nan)
        for action in self._actions:
            if action.kind == kind:
                passed = self._applies(action) & (action.effect <= self._minutes)
                age = np.where(passed, np.fmin(age, -self._days(action)), age)
        return self._within(age)

    def dividend_growth(self) -> Floats:
        """Return the newest ordinary dividend in effect over the one before it, less 1, both a share of today."""
        newest, before = np.full((2, self._minutes.size), np.nan)
        for action in self._actions:
            passed = self._applies(action) & (action.effect <= self._minutes)
            passed &= action.effect >= self._minutes - FARTHEST_DAYS * _MINUTES_A_DAY
            if action.kind == "split":
                newest = np.where(passed, newest / action.size, newest)
                before = np.where(passed, before / action.size, before)
            elif action.ordinary:
                before = np.where(passed, newest, before)
                newest = np.where(passed, action.size, newest)
        growth: Floats = newest / before - 1.0
        return growth

    def _days(self, action: Action) -> Floats:
        return np.asarray((action.effect - self._minutes - 1) / _MINUTES_A_DAY)

    @staticmethod
    def _within(days: Floats) -> Floats:
        return np.where(days <= FARTHEST_DAYS, days, np.nan)
