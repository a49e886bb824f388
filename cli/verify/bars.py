"""Compare the lake's bars with the topics and with source files, partition by partition, in bounded memory."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import numpy as np

from cli.verify.content import Hashes, digest, week_label
from cli.verify.gaps import Gaps, gaps_in
from cli.verify.lake_bars import BUCKET, LakeWeek, read_object, ticker_in
from cli.verify.lake_objects import LakeFiles, Listed
from cli.verify.results import TickerResult, Verification, WeekResult
from cli.verify.source_files import SourceBars
from cli.verify.tally import Tally, missing_from
from cli.verify.topic_bars import GROUP, TOPICS, TopicBars, read_partition
from shared.kafka.admin import KafkaAdmin
from shared.kafka.partitioner import partition_of
from shared.ports import Progress
from shared.settings import KafkaSettings

_THREADS: Final = 2
Acknowledged = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared.

    Attributes:
        lake: The lake.
        kafka: Where the topics are; None = they are not compared.
        source: What the files hold; None = they are not compared.
        tickers: Only these; None = all.
    """

    lake: LakeFiles
    kafka: KafkaSettings | None
    source: SourceBars | None
    tickers: frozenset[str] | None

    def wants(self, ticker: str) -> bool:
        """Return whether the ticker is compared."""
        return self.tickers is None or ticker in self.tickers


@dataclass
class _Part:
    """One partition's tickers, while they are compared."""

    objects: dict[str, list[Listed]] = field(default_factory=dict)
    topics: TopicBars | None = None


def compare_bars(sides: Sides, progress: Progress) -> Verification:
    """Return what holds and what does not. A record that arrives meanwhile is never taken for a loss or a stray.

    Raises:
        TransientError: Kafka or the lake does not answer.
    """
    found = Verification(compared_with=_compared_with(sides))
    partitions, acknowledged = _acknowledged(sides.kafka)
    # Only now the lake: what was acknowledged before is in it.
    parts = [_Part() for _ in range(partitions)]
    total = 0
    for listed in sides.lake.objects(BUCKET):
        ticker = ticker_in(listed.name)
        if ticker is None:
            found.strays += read_object(sides.lake, listed)[1]
        elif sides.wants(ticker):
            parts[_partition(ticker, partitions)].objects.setdefault(ticker, []).append(listed)
            total += 1
    counted = _Counted(progress, total)
    with ThreadPoolExecutor(_THREADS) as pool:
        jobs = [
            pool.submit(_compare_part, sides, part, _Where(n, partitions, acknowledged), counted)
            for n, part in enumerate(parts)
        ]
        for job in jobs:
            found.add(job.result())
    found.tickers.sort(key=lambda ticker: ticker.ticker)
    return found


def _compared_with(sides: Sides) -> tuple[str, ...]:
    return (*(("files",) if sides.source else ()), *(("topics",) if sides.kafka else ()))


def _acknowledged(kafka: KafkaSettings | None) -> tuple[int, Acknowledged]:
    if kafka is None:
        return 1, {}
    admin = KafkaAdmin(kafka, "tickerstream-verify")
    return admin.partitions(TOPICS[0]), admin.committed(GROUP, TOPICS)


def _partition(ticker: str, partitions: int) -> int:
    return partition_of(ticker.encode(), partitions)


class _Counted:
    """Progress by objects, told from several threads."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        self._lock = Lock()

    def next(self, ticker: str) -> None:
        with self._lock:
            self._done += 1
            self._progress.update(self._done, self._total, ticker)


@dataclass(frozen=True, slots=True)
class _Where:
    """Which partition of how many, and what of them is acknowledged."""

    partition: int
    partitions: int
    acknowledged: Acknowledged

    def holds(self, ticker: str) -> bool:
        """Return whether the ticker's bars are in this partition."""
        return _partition(ticker, self.partitions) == self.partition


def _compare_part(sides: Sides, part: _Part, where: _Where, counted: _Counted) -> Verification:
    found = Verification()
    weeks: dict[tuple[str, int], LakeWeek] = {}
    gaps: dict[str, Gaps] = {}
    for ticker, objects in part.objects.items():
        minutes = []
        for listed in objects:
            counted.next(ticker)
            found.objects += 1
            week, strays = read_object(sides.lake, listed)
            found.strays += strays
            if week is not None:
                weeks[ticker, week.week] = week
                minutes.append(week.minutes)
        gaps[ticker] = gaps_in(np.sort(np.concatenate(minutes))) if minutes else Gaps()
    if sides.kafka is not None:
        part.topics = read_partition(sides.kafka, where.partition, where.acknowledged, sides.tickers)
        found.refused_in_topics += part.topics.refused
    source = sides.source.bars if sides.source else None
    here = {t for t in (source.tickers if source else []) if sides.wants(t) and where.holds(t)}
    for ticker in sorted({*part.objects, *here, *(part.topics.due.tickers if part.topics else [])}):
        results = _weeks_of_ticker(ticker, weeks, source, part.topics, found)
        found.tickers.append(TickerResult(ticker, results, gaps.get(ticker, Gaps())))
    return found


def _weeks_of_ticker(
    ticker: str,
    weeks: Mapping[tuple[str, int], LakeWeek],
    source: Tally | None,
    topics: TopicBars | None,
    found: Verification,
) -> tuple[WeekResult, ...]:
    numbers = {week for t, week in weeks if t == ticker}
    numbers |= set(source.weeks(ticker)) if source else set()
    numbers |= {*topics.due.weeks(ticker), *topics.later.weeks(ticker)} if topics else set()
    results = []
    for number in sorted(numbers):
        lake = weeks.get((ticker, number))
        if topics:
            found.waiting += missing_from(topics.later.distinct(ticker, number), _identity(lake))
        results.append(_compare_week(ticker, number, lake, source, topics))
    return tuple(results)


def _identity(lake: LakeWeek | None) -> Hashes:
    return lake.identity if lake else np.empty(0, dtype=np.uint64)


def _compare_week(
    ticker: str, week: int, lake: LakeWeek | None, source: Tally | None, topics: TopicBars | None
) -> WeekResult:
    content = lake.content if lake else np.empty(0, dtype=np.uint64)
    wanted = source.distinct(ticker, week) if source else None
    due = topics.due.distinct(ticker, week) if topics else None
    if topics is not None and due is not None:
        unexplained = missing_from(_identity(lake), np.union1d(due, topics.later.distinct(ticker, week)))
    else:
        unexplained = missing_from(content, wanted) if wanted is not None and wanted.size else 0
    return WeekResult(
        ticker=ticker,
        week=week_label(week),
        rows=lake.rows if lake else 0,
        bars=len(lake.minutes) if lake else 0,
        lake_hash=digest(content) if lake else None,
        source_rows=len(source.rows(ticker, week)) if source else None,
        source_bars=int(wanted.size) if wanted is not None else None,
        source_hash=digest(wanted) if wanted is not None else None,
        lost_from_files=missing_from(wanted, content) if wanted is not None else 0,
        topic_versions=int(due.size) if due is not None else None,
        lost_from_topics=missing_from(due, _identity(lake)) if due is not None else 0,
        unexplained=unexplained,
        repeated=lake.repeated if lake else 0,
        many_current=lake.many_current if lake else 0,
        no_current=lake.no_current if lake else 0,
    )
