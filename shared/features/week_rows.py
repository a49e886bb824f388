"""Rows of a week made from versions of its bars: one bench a knowledge segment, every feature on it, one frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shared.contracts.bars import INSTANT
from shared.contracts.weeks import IsoWeek
from shared.features.arrays import MINUTE_US, Flags, instant_us
from shared.features.bar_versions import Versions
from shared.features.bench import Bench
from shared.features.columns import float_columns
from shared.features.context import Context
from shared.features.feature import Feature
from shared.features.knowledge import Rows, Segment, segments
from shared.features.memo import Memo
from shared.features.sessions import Sessions
from shared.features.splits import adjusted_bars, cuts_of, ratios_of, splits_within

REGULAR: Final = "regular"
EXTENDED: Final = "extended"

ROW_COLUMNS: Final[dict[str, pl.DataType]] = {
    "ticker": pl.String(),
    "timestamp": INSTANT,
    "as_of": INSTANT,
    "open": pl.Float64(),  # raw
    "close": pl.Float64(),  # raw
    "volume": pl.Float64(),  # raw
    "session": pl.String(),  # REGULAR or EXTENDED, by the exchange calendar
    "simulated": pl.Boolean(),
}
"""Columns of a result before the features."""


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


def rows_made(versions: Versions, rows: Rows, making: Making) -> pl.DataFrame:
    """Return the wanted ones of `rows`, segment by segment."""
    first = making.first_row(rows)
    splits = splits_within(making.context.actions, versions.bars.minutes)
    ratios = ratios_of(splits, rows)
    values = np.empty((len(making.features), len(rows.minutes)), np.float32)
    raw = np.empty((3, len(rows.minutes)))
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
    """Return open, close and volume of the segment's rows as they came."""
    first = len(segment.bars) - (segment.end - segment.first)
    return np.stack([column[first:] for column in (segment.bars.open, segment.bars.close, segment.bars.volume)])


def _frame(versions: Versions, rows: Rows, raw: NDArray[np.float64], features: pl.DataFrame) -> pl.DataFrame:
    height = len(rows.minutes)
    if not height:
        return pl.DataFrame(schema={**ROW_COLUMNS, **features.schema})
    head = {
        "ticker": pl.Series([versions.ticker]).new_from_index(0, height),
        "timestamp": pl.Series(rows.minutes * MINUTE_US).cast(INSTANT),
        "as_of": pl.Series(rows.as_of).cast(INSTANT),
        "open": raw[0],
        "close": raw[1],
        "volume": raw[2],
        "session": _session_names(Sessions.of(rows.minutes).regular),
        "simulated": pl.Series([versions.simulated]).new_from_index(0, height),
    }
    return pl.DataFrame(head).hstack(features)


def _session_names(regular: Flags) -> pl.Series:
    if regular.all():
        return pl.Series([REGULAR]).new_from_index(0, len(regular))
    return pl.Series([EXTENDED, REGULAR]).gather(pl.Series(regular).cast(pl.UInt32))
