"""The one function that makes feature rows: a ticker's ISO week from its bars and context, in history and live alike.

A row of bar t is a pure function of the catalogue and of what was known at its `as_of`: a prefix of the week gives
bit-identical rows, and so does a computation from the lake at any later time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import CATALOGUE, NAMES, START_UP_WEEKS
from shared.features.context import Context
from shared.features.feature import Feature
from shared.features.knowledge import rows_of, rows_until
from shared.features.memo import Memo
from shared.features.week_rows import ROW_COLUMNS, Making, rows_made

__all__ = ["RESULT_COLUMNS", "ROW_COLUMNS", "FeatureEngine", "compute_week"]

RESULT_COLUMNS: Final[dict[str, pl.DataType]] = {**ROW_COLUMNS, **{name: pl.Float32() for name in NAMES}}


def compute_week(
    bars: pl.DataFrame,
    context: Context,
    week: IsoWeek,
    as_of: datetime | None = None,
    features: tuple[Feature, ...] = CATALOGUE,
) -> pl.DataFrame:
    """Return the feature rows of one ticker's ISO week.

    Args:
        bars: At least BAR_COLUMNS, all versions of one ticker's bars in [week - START_UP_WEEKS, week's end), any
            order; bars outside are not looked at.
        context: The slow facts, every version, `filings` and `actions` of this ticker.
        week: Which week's rows to make.
        as_of: None: each row as of its own bar's least known_at (revision 1). Else each row as of the later of that
            and this instant (aware), which counts for bars and splits; slow facts count up to the bar's own.
        features: Which features to make.

    Returns:
        RESULT_COLUMNS, sorted by timestamp, one row for each bar of the week; a feature is null where it has no
        value, never NaN or infinite.

    Raises:
        ContractError: the bars are of several tickers, or a column is missing.
    """
    memo = Memo()
    versions = memo.versions(bars, week, _anchor(week))
    return rows_made(versions, rows_of(versions, week, as_of), Making(context, week, features, memo))


def _anchor(week: IsoWeek) -> datetime:
    return week.start - timedelta(weeks=START_UP_WEEKS)


class FeatureEngine:
    """Makes weeks of one ticker, each equal to `compute_week`."""

    _memo = Memo()  # one for all tickers, so that memory is bounded

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker

    def week(
        self,
        bars: pl.DataFrame,
        context: Context,
        week: IsoWeek,
        as_of: datetime | None = None,
        since: datetime | None = None,
    ) -> pl.DataFrame:
        """Return what `compute_week` returns, but no rows of bars before `since`."""
        versions = self._memo.versions(bars, week, _anchor(week))
        making = Making(context, week, CATALOGUE, self._memo, since)
        return rows_made(versions, rows_of(versions, week, as_of), making)

    def remade(
        self, bars: pl.DataFrame, context: Context, week: IsoWeek, as_of: datetime, since: datetime | None = None
    ) -> pl.DataFrame:
        """Return those rows of `week` as of an instant whose bars were known by then."""
        versions = self._memo.versions(bars, week, _anchor(week))
        rows = rows_until(rows_of(versions, week, as_of), as_of)
        making = Making(context, week, CATALOGUE, self._memo, since)
        return rows_made(versions, rows, making).filter(pl.col("as_of") == as_of)
