"""The slow facts as known at each row: macro vintages, filings and corporate actions joined as of its instant."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np

from shared.contracts.bars import SIMULATED_PREFIX
from shared.features.announced import Announced, versions_of
from shared.features.arrays import Floats, Ints
from shared.features.context import Context
from shared.features.statements import OLDEST_DAYS, FilingSteps, filing_steps
from shared.features.vintages import SERIES, MacroSteps, vintages_of

_MINUTES_A_DAY: Final = 1440
_FILINGS: Final = "filings"


class Known:
    """What of `context` was known at each row.

    A fact changes at few instants, so features are made from its steps and then spread over the rows.

    Args:
        context: Every version.
        minutes: Start of each row's bar, minutes since 1970.
        as_of: Microseconds since 1970 of each row: only versions with known_at <= as_of count.
        simulated: Whether the ticker is: simulated tickers have an economy of their own.
    """

    def __init__(self, context: Context, minutes: Ints, as_of: Ints, simulated: bool = False) -> None:
        self._context = context
        self._minutes = minutes
        self._as_of = as_of
        self._prefix = SIMULATED_PREFIX if simulated else ""
        self._macro: dict[str, MacroSteps | None] = {}
        self._places: dict[str, Ints] = {}

    def macro(self, series: str) -> MacroSteps | None:
        """Return the steps of a series of SERIES (its plain name); None if it has no version at all."""
        if series not in self._macro:
            vintages = vintages_of(self._context.macro).get(self._prefix + series)
            if vintages is None or not len(self._minutes):
                self._macro[series] = None
            else:
                self._macro[series] = vintages.steps(int(self._minutes[0]), int(self._as_of.max()))
        return self._macro[series]

    def spread_macro(self, series: str, values: Floats) -> Floats:
        """Return the value of each row's step of that series; NaN where its observation is too old."""
        steps = self.macro(series)
        if steps is None:
            return self.missing()
        if series not in self._places:
            self._places[series] = self._place(steps.known, steps.date, SERIES[series].oldest)
        return np.append(values, np.nan)[self._places[series]]

    @cached_property
    def filings(self) -> FilingSteps | None:
        """Return the steps of the company's filings; None if there is none."""
        return filing_steps(self._context.filings) if self._context.filings.height else None

    def spread_filing(self, values: Floats) -> Floats:
        """Return the value of each row's step of the filings; NaN where the newest one is too old."""
        if self.filings is None:
            return self.missing()
        if _FILINGS not in self._places:
            self._places[_FILINGS] = self._place(self.filings.known, self.filings.period_end, OLDEST_DAYS)
        return np.append(values, np.nan)[self._places[_FILINGS]]

    def since_filing(self) -> Floats:
        """Return the days from when each row's newest filing became known to the row's own instant."""
        if self.filings is None:
            return self.missing()
        return (self._as_of - self.spread_filing(self.filings.told)) / 86_400e6

    @cached_property
    def actions(self) -> Announced | None:
        """Return the corporate actions; None if there is none."""
        if not self._context.actions.height:
            return None
        return Announced(versions_of(self._context.actions), self._minutes, self._as_of)

    def missing(self) -> Floats:
        """Return NaN for each row."""
        return np.full(len(self._minutes), np.nan)

    def _place(self, known: Ints, dates: Ints, oldest_days: int) -> Ints:
        """Return the step of each row; the one after the last, which has no value, where its date is too old."""
        step = np.searchsorted(known, self._as_of, side="right")
        fresh = dates[step] >= self._minutes // _MINUTES_A_DAY - oldest_days
        return np.where(fresh, step, len(dates))
