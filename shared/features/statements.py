"""Which filing was a company's newest at an instant, and the one of a year before it, as both were known then."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np
import polars as pl

from shared.contracts.lake import FUNDAMENTALS, KNOWN_AT
from shared.features.arrays import Floats, Ints
from shared.features.prepared import by_knowledge, kept

FIELDS: Final = (
    "eps",
    "revenue",
    "grossProfit",
    "operatingIncome",
    "netIncome",
    "cashflow_freeCashFlow",
    "balance_totalDebt",
    "balance_totalStockholdersEquity",
)
"""Statement fields that features are made from, as the vendors name them."""

OLDEST_DAYS: Final = 500
"""Days from a period's end after which its filing is no longer the present: a year, and four months to file."""

_A_YEAR: Final = range(350, 381)  # days; fiscal years of 52 and 53 weeks, and one that moved a little
_NONE: Final = -1

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class FilingSteps:
    """What was known of a company from one instant to the next; the first step is before anything was known.

    Attributes:
        known: Microseconds since 1970 at which each step but the first begins.
        told: At which its newest filing became known; of a restated one the restatement.
        period_end: That filing's, days since 1970; very small where there is none.
        newest: By field: the newest filing's value; NaN where it has none.
        year_before: The same of the filing of the same period (Q1 .. Q4, FY) a year earlier.
    """

    known: Ints
    told: Floats
    period_end: Ints
    newest: dict[str, Floats]
    year_before: dict[str, Floats]


@kept(frames=256)
def filing_steps(filings: pl.DataFrame) -> FilingSteps:
    """Return what was known of the company whose filings these are (lake's columns, any order, every version).

    The newest filing is the one with the greatest period end among those that are known; where a quarter and a fiscal
    year end on the same day, the quarter, so that periods of one length follow each other. Of its versions the one
    that became known last counts.
    """
    ordered = by_knowledge(FUNDAMENTALS, filings).with_columns(_number(filings, name) for name in FIELDS)
    known = ordered[KNOWN_AT].to_physical().to_list()
    ends = ordered["period_end"].to_physical().cast(pl.Int64).to_list()
    steps = _walk(known, list(zip(ordered["period"].to_list(), ends, strict=True)))
    newest, before = np.array([(_NONE, _NONE), *(step[1:] for step in steps)], np.int64).T
    values = {name: np.append(ordered[name].fill_null(float("nan")).to_numpy(), np.nan) for name in FIELDS}
    return FilingSteps(
        known=np.array([step[0] for step in steps], np.int64),
        told=np.array([*known, np.nan])[newest],
        period_end=np.array([*ends, -(10**9)], np.int64)[newest],
        newest={name: column[newest] for name, column in values.items()},  # _NONE takes the last, which is missing
        year_before={name: column[before] for name, column in values.items()},
    )


def _number(filings: pl.DataFrame, name: str) -> pl.Expr:
    if name not in filings.columns:
        return pl.lit(None, pl.Float64).alias(name)
    return pl.col(name).cast(pl.Float64, strict=False)


def _walk(known: list[int], keys: list[Key]) -> list[tuple[int, int, int]]:
    """Return (instant, place of the newest filing, place of that of a year before or _NONE) for each instant's news."""
    now: dict[Key, int] = {}
    steps = []
    for instant, news in groupby(enumerate(known), key=itemgetter(1)):
        for place, _ in news:
            now[keys[place]] = place
        newest = max(now, key=_recency)
        before = [key for key in now if key[0] == newest[0] and newest[1] - key[1] in _A_YEAR]
        steps.append((instant, now[newest], now[max(before, key=itemgetter(1))] if before else _NONE))
    return steps


def _recency(key: Key) -> tuple[int, bool, str]:
    period, end = key
    return end, period != "FY", period
