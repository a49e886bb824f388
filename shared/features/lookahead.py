"""Proof that features do not look ahead: made again with everything not yet known taken away, and made nonsense."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from shared.contracts.lake import KNOWN_AT
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import CATALOGUE, START_UP_WEEKS
from shared.features.compute import compute_week
from shared.features.context import Context
from shared.features.feature import Feature
from shared.features.garbling import with_garbled, without_later
from shared.features.sessions import EPOCH

Way = Literal["removed", "garbled"]

MOST_EXAMPLES: Final = 100
"""So many differences are kept for people; all are counted."""

WAYS: Final[Mapping[Way, Callable[[pl.DataFrame, Context, datetime, Generator], tuple[pl.DataFrame, Context]]]] = {
    "removed": without_later,
    "garbled": with_garbled,
}
"""How the facts are spoilt."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that depends on what was not yet known.

    Attributes:
        feature: Its column, or `row` where the whole row is missing or additional.
        timestamp: Start of the row's bar, aware.
        instant: What became known after it was removed or garbled.
        way: Which of the two.
        with_all: The value from all facts; None = null.
        without: The value from what is left.
    """

    feature: str
    timestamp: datetime
    instant: datetime
    way: Way
    with_all: float | None
    without: float | None


@dataclass(slots=True)
class LookaheadReport:
    """What a check compared, and what differed.

    Attributes:
        instants: How many instants were tried.
        rows: How many rows were made again and compared, summed over instants and ways.
        values: How many values that were.
        different: How many values (or whole rows, as `row`) differed, by feature.
        examples: The first ones, at most MOST_EXAMPLES.
    """

    instants: int = 0
    rows: int = 0
    values: int = 0
    different: dict[str, int] = field(default_factory=dict)
    examples: list[Difference] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Return whether something was compared and nothing differed."""
        return self.rows > 0 and not self.different


def check_lookahead(
    bars: pl.DataFrame,
    context: Context,
    weeks: Sequence[IsoWeek],
    instants: int = 8,
    seed: int = 0,
    features: tuple[Feature, ...] = CATALOGUE,
) -> LookaheadReport:
    """Make the features again as of random instants from what was known then, and compare bit by bit.

    At each instant every fact with a later `known_at` is removed, and, separately, garbled, while known ones are
    restated with nonsense known later. Rows whose `as_of` is not after the instant must stay the same: as they were
    made first, and, at every second instant, as they are made again at that instant. The facts are handed over in
    random order.

    Args:
        bars: As for `compute_week`, of one ticker, from the first week's anchor to the end of the last week.
        context: As for `compute_week`.
        weeks: Whose rows to check.
        instants: How many instants a week.
        seed: Of the instants, the nonsense and the order.
        features: What to check.

    Raises:
        ContractError: the bars are of several tickers, or a column is missing.
    """
    rng = default_rng(seed)
    report = LookaheadReport()
    for week in weeks:
        since, until = week.start - timedelta(weeks=START_UP_WEEKS), week.end
        part = bars.filter((pl.col("timestamp") >= since) & (pl.col("timestamp") < until))
        first = compute_week(part, context, week, features=features)
        for place, instant in enumerate(_instants(first, context, instants, rng)):
            report.instants += 1
            as_of = instant if place % 2 else None
            whole = first if as_of is None else compute_week(part, context, week, as_of, features)
            for way in WAYS:
                left = WAYS[way](part, context, instant, rng)
                _compare(report, whole, compute_week(*left, week, as_of, features), (instant, way))
    return report


def _instants(rows: pl.DataFrame, context: Context, count: int, rng: Generator) -> Iterator[datetime]:
    """Yield instants at which something had just become known, was just about to, or neither."""
    if rows.is_empty():
        return
    known = rows["as_of"].to_physical()
    first, last = int(known.min()), int(known.max())  # type: ignore[arg-type]
    slow = pl.concat([facts[KNOWN_AT] for facts in (context.macro, context.filings, context.actions)]).to_physical()
    slow = slow.filter(slow.is_between(first, last))
    for place in range(count):
        just_before = int(rng.integers(2))
        if place % 3 == 0 and len(slow):
            instant = int(rng.choice(slow.to_numpy())) - just_before
        elif place % 3 == 1:
            instant = int(rng.integers(first, last + 1))
        else:
            instant = int(rng.choice(known.to_numpy())) - just_before
        yield EPOCH + timedelta(microseconds=instant)


def _compare(report: LookaheadReport, whole: pl.DataFrame, again: pl.DataFrame, at: tuple[datetime, Way]) -> None:
    """Add to the report what differs between the rows made from all facts and from those that were left."""
    whole, again = (rows.filter(pl.col("as_of") <= at[0]) for rows in (whole, again))
    report.rows += whole.height
    odd = whole["timestamp"].to_frame().join(again["timestamp"].to_frame(), on="timestamp", how="full", coalesce=False)
    for row in odd.filter(pl.any_horizontal(pl.all().is_null())).iter_rows():
        _note(report, Difference("row", row[0] or row[1], *at, None, None))
    before = whole.join(again, on="timestamp", how="semi").sort("timestamp")
    after = again.join(whole, on="timestamp", how="semi").sort("timestamp")
    for name in (column for column, kind in whole.schema.items() if kind == pl.Float32 or column == "close"):
        report.values += before.height
        given, made = (_bits(rows[name]) for rows in (before, after))
        for place in np.flatnonzero(given != made).tolist():
            _note(report, Difference(name, before["timestamp"][place], *at, before[name][place], after[name][place]))


def _bits(values: pl.Series) -> NDArray[np.unsignedinteger]:
    """Return the values as bits; null has bits of its own."""
    floats = values.to_numpy()
    return floats.view(np.uint32 if floats.dtype == np.float32 else np.uint64)


def _note(report: LookaheadReport, difference: Difference) -> None:
    report.different[difference.feature] = report.different.get(difference.feature, 0) + 1
    if len(report.examples) < MOST_EXAMPLES:
        report.examples.append(difference)
