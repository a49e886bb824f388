"""Stored feature rows of a ticker's week against a fresh computation from the lake, bit by bit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contracts.weeks import IsoWeek
from shared.features.compute import compute_week
from shared.features.context import Context
from shared.features.feature import Feature

MOST_EXAMPLES: Final = 20
_KEY: Final = ("timestamp", "as_of")


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A stored value that is not what the lake gives; `column` is `row` where one of both is missing."""

    ticker: str
    timestamp: datetime
    as_of: datetime
    column: str
    stored: object
    fresh: object


@dataclass
class RowsReport:
    """What was compared and what differed.

    Attributes:
        rows: Bars whose rows were compared.
        revisions: Stored revisions that were compared.
        overtaken: Revisions with a later one of the same `as_of`: a fact reached us after they were made, so the lake
            cannot give them again.
        values: Values that were compared.
        missing: Bars without a stored row.
        unexplained: Stored revisions of bars that the lake has not.
        different: How many values differ, by column.
        examples: The first of them, at most MOST_EXAMPLES a ticker.
    """

    rows: int = 0
    revisions: int = 0
    overtaken: int = 0
    values: int = 0
    missing: int = 0
    unexplained: int = 0
    different: dict[str, int] = field(default_factory=dict)
    examples: list[RowDifference] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Return whether something was compared and nothing differs, is missing or unexplained."""
        return self.revisions > 0 and not (self.different or self.missing or self.unexplained)

    def add(self, other: "RowsReport") -> None:
        """Take in another report."""
        for name in ("rows", "revisions", "overtaken", "values", "missing", "unexplained"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for column, count in other.different.items():
            self.different[column] = self.different.get(column, 0) + count
        self.examples += other.examples[:MOST_EXAMPLES]


def compare_week(
    stored: pl.DataFrame,
    bars: pl.DataFrame,
    context: Context,
    week: IsoWeek,
    features: Sequence[Feature],
    until: datetime | None = None,
) -> RowsReport:
    """Make a week's rows anew, as of each instant that stored ones are of, and compare.

    Args:
        stored: Every revision of the week: ticker, timestamp, as_of, revision, open, close, volume, session, simulated
            and the features; with `until` also made_at.
        bars: Every version of the ticker's bars from the week's anchor to its end.
        context: The slow facts.
        week: The week.
        features: Those of the stored feature set.
        until: The instant up to which `bars` and `context` go; what was made of later ones is left out. None: all.
    """
    report = RowsReport()
    there = stored.select("timestamp")
    stored = stored if until is None else _made_until(stored, until)
    newest = stored.sort("revision").unique(_KEY, keep="last")
    report.overtaken = stored.height - newest.height
    own = compute_week(bars, context, week, features=tuple(features))
    report.rows = own.height
    lacking = own.join(there, on="timestamp", how="anti")
    report.missing = lacking.height
    for row in lacking.head(MOST_EXAMPLES).iter_rows(named=True):
        report.examples.append(RowDifference(row["ticker"], row["timestamp"], row["as_of"], "row", None, "a row"))
    for fresh in _fresh(own, newest, bars, context, week, features):
        both = newest.join(fresh, on=_KEY, how="semi").sort("timestamp")
        newest = newest.join(fresh, on=_KEY, how="anti")
        _compare(report, both, fresh.join(both, on=_KEY, how="semi").sort("timestamp"))
    report.unexplained = newest.height
    for row in newest.head(MOST_EXAMPLES).iter_rows(named=True):
        report.examples.append(RowDifference(row["ticker"], row["timestamp"], row["as_of"], "row", "a row", None))
    return report


def _made_until(stored: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Return the revisions made until then that none made later overtook."""
    later = stored.filter(pl.col("made_at") > until)
    return stored.filter(pl.col("made_at") <= until).join(later, on=_KEY, how="anti")


def _fresh(
    own: pl.DataFrame,
    stored: pl.DataFrame,
    bars: pl.DataFrame,
    context: Context,
    week: IsoWeek,
    features: Sequence[Feature],
) -> Iterator[pl.DataFrame]:
    """Yield the rows as of their own instant, then as of each later one that stored revisions are of."""
    yield own
    later = stored.join(own, on=_KEY, how="anti").join(own, on="timestamp", how="semi")
    for instant in later["as_of"].unique().sort():
        yield compute_week(bars, context, week, instant, tuple(features)).filter(pl.col("as_of") == instant)


def _compare(report: RowsReport, stored: pl.DataFrame, fresh: pl.DataFrame) -> None:
    report.revisions += stored.height
    for name in (column for column in fresh.columns if column not in ("ticker", *_KEY)):
        report.values += stored.height
        given, made = _bits(stored[name]), _bits(fresh[name])
        places = np.flatnonzero(given != made)
        if len(places):
            report.different[name] = report.different.get(name, 0) + len(places)
        for place in places[: max(0, MOST_EXAMPLES - len(report.examples))].tolist():
            row = stored.row(place, named=True)
            found = RowDifference(row["ticker"], row["timestamp"], row["as_of"], name, row[name], fresh[name][place])
            report.examples.append(found)


def _bits(values: pl.Series) -> NDArray[np.generic]:
    """Return values as what two equal ones share: bits of a float (null has its own), else the value as text."""
    if values.dtype == pl.Float32:
        return values.fill_null(np.nan).to_numpy().view(np.uint32)
    if values.dtype == pl.Float64:
        return values.fill_null(np.nan).to_numpy().view(np.uint64)
    return values.cast(pl.String).fill_null("").to_numpy()
