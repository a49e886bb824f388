"""The one function that makes feature rows: a ticker's ISO week from its bars and context, in history and live alike.

A row of bar t is a pure function of the catalogue and of what was known at its `as_of`: a prefix of the week gives
bit-identical rows, and so does a computation from the lake at any later time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contracts.bars import INSTANT
from shared.contracts.weeks import IsoWeek
from shared.features.bench import Bench
from shared.features.catalogue import CATALOGUE, NAMES, START_UP_WEEKS
from shared.features.columns import float_columns
from shared.features.context import Context
from shared.features.feature import Feature
from shared.features.knowledge import (
    MINUTE_US,
    Flags,
    Rows,
    Segment,
    Versions,
    instant_us,
    rows_of,
    rows_until,
    segments,
)
from shared.features.memo import Memo
from shared.features.sessions import Sessions
from shared.features.splits import adjusted_bars, cuts_of, ratios_of, splits_within

REGULAR: Final = "regular"
EXTENDED: Final = "extended"

ROW_COLUMNS: Final[dict[str, pl.DataType]] = {
    "ticker": pl.String(),
    "timestamp": INSTANT,
    "as_of": INSTANT,
    "close": pl.Float64(),  # raw
    "volume": pl.Float64(),  # raw
    "session": pl.String(),  # REGULAR or EXTENDED, by the exchange calendar
    "simulated": pl.Boolean(),
}
"""Columns of a result before the features."""

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
    return _computed(versions, rows_of(versions, week, as_of), Making(context, week, features, memo))


@dataclass(frozen=True, slots=True)
class Making:
    """What a computation needs besides bars and rows.

    Attributes:
        context: The slow facts.
        week: Which week.
        features: Which features to make.
        memo: What computations share.
        since: Rows of earlier bars are left out; None: all are made.
    """

    context: Context
    week: IsoWeek
    features: tuple[Feature, ...]
    memo: Memo
    since: datetime | None = None

    def first_row(self, rows: Rows) -> int:
        """Return the place of the first row that is wanted."""
        return 0 if self.since is None else int(np.searchsorted(rows.minutes * MINUTE_US, instant_us(self.since)))


def _anchor(week: IsoWeek) -> datetime:
    return week.start - timedelta(weeks=START_UP_WEEKS)


def _computed(versions: Versions, rows: Rows, making: Making) -> pl.DataFrame:
    first = making.first_row(rows)
    splits = splits_within(making.context.actions, versions.bars.minutes)
    ratios = ratios_of(splits, rows)
    values = np.empty((len(making.features), len(rows.minutes)), np.float32)
    raw = np.empty((2, len(rows.minutes)))
    for segment in segments(versions, rows, cuts_of(ratios), first):
        part = slice(segment.first, segment.end)
        history = adjusted_bars(segment, splits, ratios[segment.first])
        start = instant_us(making.week.start) // MINUTE_US
        bench = Bench(history, start, segment.as_of, making.context, versions.simulated)
        if versions.single and bench.week_rows == len(rows.minutes) == segment.end - segment.first:
            fill(values, bench, making.features)  # the usual week
        else:
            values[:, part] = _week_values(bench, making)[:, segment.first - segment.end :]
        raw[:, part] = _raw(segment)
    columns = float_columns([feature.name for feature in making.features], values[:, first:])
    return _frame(versions, rows.since(first), raw[:, first:], columns)


def _week_values(bench: Bench, making: Making) -> NDArray[np.float32]:
    """Return the features of all rows of the bench's week, from the memo if they are there."""
    values = making.memo.find(bench, making.features)
    if values is None:
        values = np.empty((len(making.features), bench.week_rows), np.float32)
        fill(values, bench, making.features)
        making.memo.keep(bench, making.features, values)
    return values


def fill(values: NDArray[np.float32], bench: Bench, features: tuple[Feature, ...]) -> None:
    """Write each feature's values of the bench's last rows into its row of `values`; NaN where there is none."""
    first = len(bench) - values.shape[1]
    with np.errstate(all="ignore"):
        for feature, target in zip(features, values, strict=True):
            target[:] = feature.compute(bench)[first:]
            blank = _rows_before_start(bench, feature, first)
            if blank:
                target[:blank] = np.nan


def _rows_before_start(bench: Bench, feature: Feature, first: int) -> int:
    """Return how many rows from `first` on do not have enough bars before them yet."""
    if feature.timeframe == "1m" or feature.start_up <= 1:
        return max(0, feature.start_up - 1 - first)
    return int(np.searchsorted(bench.seen(feature.timeframe)[first:], feature.start_up))


def _raw(segment: Segment) -> NDArray[np.float64]:
    """Return close and volume of the segment's rows as they came."""
    first = len(segment.bars) - (segment.end - segment.first)
    return np.stack([segment.bars.close[first:], segment.bars.volume[first:]])


def _frame(versions: Versions, rows: Rows, raw: NDArray[np.float64], features: pl.DataFrame) -> pl.DataFrame:
    height = len(rows.minutes)
    if not height:
        return pl.DataFrame(schema={**ROW_COLUMNS, **features.schema})
    head = {
        "ticker": pl.Series([versions.ticker]).new_from_index(0, height),
        "timestamp": pl.Series(rows.minutes * MINUTE_US).cast(INSTANT),
        "as_of": pl.Series(rows.as_of).cast(INSTANT),
        "close": raw[0],
        "volume": raw[1],
        "session": _session_names(Sessions.of(rows.minutes).regular),
        "simulated": pl.Series([versions.simulated]).new_from_index(0, height),
    }
    return pl.DataFrame(head).hstack(features)


def _session_names(regular: Flags) -> pl.Series:
    if regular.all():
        return pl.Series([REGULAR]).new_from_index(0, len(regular))
    return pl.Series([EXTENDED, REGULAR]).gather(pl.Series(regular).cast(pl.UInt32))


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
        return _computed(versions, rows_of(versions, week, as_of), making)

    def remade(
        self, bars: pl.DataFrame, context: Context, week: IsoWeek, as_of: datetime, since: datetime | None = None
    ) -> pl.DataFrame:
        """Return those rows of `week` as of an instant whose bars were known by then."""
        versions = self._memo.versions(bars, week, _anchor(week))
        rows = rows_until(rows_of(versions, week, as_of), as_of)
        making = Making(context, week, CATALOGUE, self._memo, since)
        return _computed(versions, rows, making).filter(pl.col("as_of") == as_of)
