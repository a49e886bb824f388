"""Makes feature rows of new bars, and of weeks that a late fact has touched."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from aggregator.batch import TickerBars
from aggregator.contexts import Contexts
from aggregator.known_bars import KnownBars, window_of
from shared.contracts.lake import STOCK
from shared.contracts.versions import INGESTED_AT, union_versions
from shared.contracts.weeks import IsoWeek
from shared.features.compute import FeatureEngine
from shared.features.revisions import News, week_revisions
from shared.ports import TopicPartition
from shared.storage.lake_bars import bars_of_weeks
from shared.storage.remakes import Remake

_ENGINES: Final = 4
BAR_REASON: Final = "an earlier bar came late or was corrected"
"""Such a request reaches no further than bars start up a week."""


@dataclass(slots=True)
class Made:
    """Rows that are to be stored, and what follows from them.

    Attributes:
        levels: By partition: frames to be appended one after the other, each unique by (ticker, timestamp).
        remakes: Later weeks that have to be made again.
        latest: By ticker: newest bar among the rows.
    """

    levels: dict[TopicPartition, list[list[pl.DataFrame]]] = field(default_factory=dict)
    remakes: list[Remake] = field(default_factory=list)
    latest: dict[str, datetime] = field(default_factory=dict)

    def add(self, slot: TopicPartition, frames: Iterable[pl.DataFrame]) -> None:
        """Take the revisions of one week, least knowledge first."""
        levels = self.levels.setdefault(slot, [])
        for level, frame in enumerate(frames):
            if level == len(levels):
                levels.append([])
            levels[level].append(frame)
            ticker, newest = str(frame["ticker"][0]), frame["timestamp"][-1]
            self.latest[ticker] = max(newest, self.latest.get(ticker, newest))


class RowMaker:
    """Computes; nothing is stored here.

    Args:
        known: Bars that are known so far.
        contexts: Slow facts.
    """

    def __init__(self, known: KnownBars, contexts: Contexts) -> None:
        self._known = known
        self._contexts = contexts
        self._engines: OrderedDict[str, FeatureEngine] = OrderedDict()

    def new_bars(self, new: TickerBars, latest: datetime | None, made: Made) -> None:
        """Make the rows of a ticker's new bars.

        Args:
            new: The bars.
            latest: Newest bar of the ticker that has a stored row.
            made: Where the rows are added.

        Raises:
            TransientError: the lake or Kafka does not answer.
        """
        weeks = sorted(new.weeks)
        wanted = sorted({week for one in weeks for week in window_of(one)})
        known = self._known.weeks(new.ticker, new.slot[1], wanted)
        for week in weeks:
            known[week], news = merged(known[week], new.weeks[week])
            # What the lake says was there before may have no row yet: it may be older than our tables.
            due = news if self._known.was_handled(new.ticker, week) else _all_of(new.weeks[week])
            if due is None:
                continue
            self._known.put(new.ticker, week, known[week])
            made.add(new.slot, self._revisions(new.ticker, week, known, due))
            if news is not None and latest is not None and latest >= week.end:
                made.remakes.append(_remake(new, week, news))
        newest = weeks[-1] if latest is None else max(weeks[-1], IsoWeek.of(latest))
        self._known.trim(new.ticker, newest)

    def pass_over(self, skipped: Iterable[tuple[str, IsoWeek]]) -> None:
        """Note bars of which no rows are made now."""
        for ticker, week in skipped:
            self._known.pass_over(ticker, week)

    def week_again(self, ticker: str, slot: TopicPartition, week: IsoWeek, news: News, made: Made) -> None:
        """Make rows of a week again that `news` may have changed."""
        known = self._known.weeks(ticker, slot[1], window_of(week), ask=True)
        made.add(slot, self._revisions(ticker, week, known, news))

    def forget(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._engines.clear()

    def _revisions(
        self, ticker: str, week: IsoWeek, known: dict[IsoWeek, pl.DataFrame], news: News
    ) -> Iterable[pl.DataFrame]:
        bars = bars_of_weeks({one: known[one] for one in window_of(week)})
        return week_revisions(self._engine(ticker), bars, self._contexts.of(ticker), week, news)

    def _engine(self, ticker: str) -> FeatureEngine:
        engine = self._engines.setdefault(ticker, FeatureEngine(ticker))
        self._engines.move_to_end(ticker)
        if len(self._engines) > _ENGINES:
            self._engines.popitem(last=False)
        return engine


def merged(known: pl.DataFrame, new: list[pl.DataFrame]) -> tuple[pl.DataFrame, News | None]:
    """Return the union of a week's versions, and what of it is news: None where the records repeat earlier ones.

    A version is news if no record before these brought it: then its least `ingested_at` is that of one of them. What
    the lake has of later records already is no news yet, and is when those records come.
    """
    union = union_versions(STOCK, known, *new)
    if known.is_empty():
        return union, _span(union)
    arrived = pl.concat(new).group_by("timestamp").agg(pl.col(INGESTED_AT).min().alias(".arrived"))
    # Frames of records have no `known_at` by the lake's rules yet, so a bar is compared by its newest ingestion.
    fresh = union.join(arrived, on="timestamp").filter(pl.col(INGESTED_AT) >= pl.col(".arrived"))
    return union, None if fresh.is_empty() else _span(fresh)


def _span(bars: pl.DataFrame) -> News:
    since, known_at = bars["timestamp"].min(), bars["known_at"].min()
    assert isinstance(since, datetime) and isinstance(known_at, datetime)  # noqa: S101  instants of some rows
    return News(since, known_at)


def _all_of(new: list[pl.DataFrame]) -> News:
    """Return everything in the records as news."""
    bars = pl.concat(new)
    # By the lake's rules a version is never known before its bar's close.
    since = bars["timestamp"].min()
    assert isinstance(since, datetime)  # noqa: S101  an instant of some rows
    return News(since, since)


def _remake(new: TickerBars, week: IsoWeek, news: News) -> Remake:
    return Remake(
        partition=new.slot[1],
        ticker=new.ticker,
        since=week.end,
        as_of=news.known_at,
        reason=BAR_REASON,
        unique=f"bars/{new.ticker}/{week}/{news.since.isoformat()}/{_latest_ingested(new, week).isoformat()}",
    )


def _latest_ingested(new: TickerBars, week: IsoWeek) -> datetime:
    stamps: list[datetime] = [frame[INGESTED_AT][0] for frame in new.weeks[week]]
    return max(stamps)


def weeks_between(first: datetime, last: datetime, most: int | None = None) -> list[IsoWeek]:
    """Return the ISO weeks that hold the instants from `first` to `last`, `most` of them at most."""
    weeks: list[IsoWeek] = []
    at = IsoWeek.of(first).start
    while at <= last and (most is None or len(weeks) < most):
        weeks.append(IsoWeek.of(at))
        at += timedelta(days=7)
    return weeks
