"""Which revisions a week's rows have: one as each bar became known, and one for each later instant that told more."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from shared.contracts.bars import INSTANT
from shared.contracts.weeks import IsoWeek
from shared.features.compute import FeatureEngine
from shared.features.context import Context

REPLAYED = "replayed"
"""Column of the results: whether the bar was told again as if live."""

_REPLAY_SOURCE = "replay"


@dataclass(frozen=True, slots=True)
class News:
    """What is to be made again of a week.

    Attributes:
        since: First bar that may be touched, aware, UTC.
        known_at: Earliest `known_at` of the facts that touch it, aware, UTC.
    """

    since: datetime
    known_at: datetime


def week_revisions(
    engine: FeatureEngine, bars: pl.DataFrame, context: Context, week: IsoWeek, news: News | None = None
) -> Iterator[pl.DataFrame]:
    """Yield the revisions of a week's rows, those with the least knowledge first.

    The first frame has rows as of their own bars; each further one has, as of one instant at which a late or corrected
    fact became known, the rows that were made before that instant. A row may be equal to the one before it.

    Args:
        engine: Of the ticker.
        bars: Every version of its bars in [week - START_UP_WEEKS, week's end), lake columns.
        context: The slow facts, every version.
        week: Which week.
        news: Leave out what these facts cannot have changed; None: everything.

    Returns:
        RESULT_COLUMNS and REPLAYED, frames that are not empty.
    """
    rows = _rows_of(bars, week)
    if rows.is_empty():
        return
    replayed = rows.select("timestamp", REPLAYED)
    since = week.start if news is None else max(news.since, week.start)
    touched = rows.filter(pl.col("timestamp") >= since)
    if news is None or (touched.height and bool((touched["known_at"] >= news.known_at).any())):
        yield from _made(engine.week(bars, context, week, since=since), replayed)
    for instant, first in late_instants(bars, context.actions, week):
        if news is None or instant >= news.known_at:
            yield from _made(engine.remade(bars, context, week, instant, max(since, first)), replayed)


def late_instants(bars: pl.DataFrame, actions: pl.DataFrame, week: IsoWeek) -> list[tuple[datetime, datetime]]:
    """Return when facts became known that concern rows of the week made before, and since which bar, in order.

    A version of a bar is late if a row of its minute or of a later one became known before it; a corporate action, if
    a row since its ex-date did.

    Args:
        bars: Every version since the week's anchor.
        actions: Every version of the ticker's corporate actions, lake columns.
        week: Which week.
    """
    rows = _rows_of(bars, week)
    if rows.is_empty():
        return []
    minutes, known = rows["timestamp"].to_physical().to_numpy(), rows["known_at"].to_physical().to_numpy()
    facts = []
    if not _is_in_order(bars):
        begun = bars.filter(pl.col("timestamp") < week.end)
        facts.append(begun.select(at=pl.col("timestamp").to_physical(), known="known_at"))
    if actions.height:
        begins = pl.col("ex_date").cast(INSTANT).to_physical()
        facts.append(actions.select(at=begins, known="known_at"))
    if not facts:
        return []
    told = pl.concat(facts)
    first = np.searchsorted(minutes, told["at"].to_numpy())
    earliest = np.append(np.minimum.accumulate(known[::-1])[::-1], np.iinfo(np.int64).max)
    late = told["known"].to_physical().to_numpy() > earliest[first]
    first_bars = told.filter(late).group_by("known").agg(pl.col("at").min().cast(INSTANT)).sort("known")
    return list(first_bars.iter_rows())


def _rows_of(bars: pl.DataFrame, week: IsoWeek) -> pl.DataFrame:
    """Return (timestamp, known_at, REPLAYED) of each bar of the week, by its first version."""
    told_again = (pl.col("source") == _REPLAY_SOURCE).alias(REPLAYED)
    inside = bars.filter((pl.col("timestamp") >= week.start) & (pl.col("timestamp") < week.end))
    inside = inside.select("timestamp", "known_at", told_again)
    if _is_in_order(inside):
        return inside
    first = inside.sort("timestamp", "known_at", maintain_order=True).unique("timestamp", keep="first")
    return first.sort("timestamp")


def _is_in_order(bars: pl.DataFrame) -> bool:
    """Return whether every bar has one version, and each became known no earlier than the bar before it."""
    stamps, known = (bars[name].to_physical().to_numpy() for name in ("timestamp", "known_at"))
    return bool((np.diff(stamps) > 0).all() and (np.diff(known) >= 0).all())


def _made(rows: pl.DataFrame, replayed: pl.DataFrame) -> Iterator[pl.DataFrame]:
    if rows.is_empty():
        return
    if replayed[REPLAYED].any():
        yield rows.join(replayed, on="timestamp", how="left", maintain_order="left")
    else:
        yield rows.with_columns(pl.lit(value=False).alias(REPLAYED))
