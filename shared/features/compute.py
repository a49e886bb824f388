"""The one function that makes feature rows: a ticker's ISO week from its bars and context, in history and live alike.

A row of bar t is a pure function of the catalogue and of what was known at its `as_of`: a prefix of the week gives
bit-identical rows, and so does a computation from the lake at any later time.
"""

from datetime import datetime
from typing import Final

import polars as pl

from shared.contracts.bars import INSTANT
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import NAMES
from shared.features.context import Context

ROW_COLUMNS: Final[dict[str, pl.DataType]] = {
    "ticker": pl.String(),
    "timestamp": INSTANT,
    "as_of": INSTANT,
    "close": pl.Float64(),  # raw
    "volume": pl.Float64(),  # raw
    "session": pl.String(),  # regular | extended
    "simulated": pl.Boolean(),
}
"""Columns of a result before the features."""

RESULT_COLUMNS: Final[dict[str, pl.DataType]] = {**ROW_COLUMNS, **{name: pl.Float32() for name in NAMES}}


def compute_week(bars: pl.DataFrame, context: Context, week: IsoWeek, as_of: datetime | None = None) -> pl.DataFrame:
    """Return the feature rows of one ticker's ISO week.

    Args:
        bars: At least BAR_COLUMNS, all versions of one ticker's bars in [week - START_UP_WEEKS, week's end), any
            order; bars outside are not looked at.
        context: The slow facts, every version, `filings` and `actions` of this ticker.
        week: Which week's rows to make.
        as_of: None: each row as of its own bar's least known_at (revision 1). Else each row as of the later of that
            and this instant (aware).

    Returns:
        RESULT_COLUMNS, sorted by timestamp, one row for each bar of the week; a feature is null where it has no
        value, never NaN or infinite.

    Raises:
        ContractError: the bars are of several tickers, or a column is missing.
    """
    raise NotImplementedError


class FeatureEngine:
    """Makes weeks of one ticker, each equal to `compute_week`, and keeps what neighbouring weeks share (bounded)."""

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker

    def week(self, bars: pl.DataFrame, context: Context, week: IsoWeek, as_of: datetime | None = None) -> pl.DataFrame:
        """Return what `compute_week` returns."""
        return compute_week(bars, context, week, as_of)
