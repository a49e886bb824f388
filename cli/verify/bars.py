"""Compare the lake's bars with the topics and with source files, partition by partition, in bounded memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cli.verify.content import Hashes, digest, distinct, week_label
from cli.verify.gaps import Gaps, gaps_in
from cli.verify.lake_bars import BUCKET, LakeWeek, read_object, ticker_in
from cli.verify.lake_objects import LakeFiles, Listed
from cli.verify.refusals import Refusals, read_refusals
from cli.verify.results import TickerResult, Verification, WeekResult
from cli.verify.source_files import SourceBars
from cli.verify.tally import Tally, missing_from
from cli.verify.topic_bars import GROUP, TOPICS, Known, TopicBars, read_partitions
from shared.kafka.admin import KafkaAdmin
from shared.kafka.partitioner import partition_of
from shared.ports import Progress
from shared.settings import KafkaSettings

# A record holds some thousand bars at most, of which 8 bytes each are kept.
_RECORDS_AT_ONCE: Final = 20_000


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


@dataclass(frozen=True, slots=True)
class _Part:
    """Partitions that are compared together, and the objects of their tickers."""

    partitions: frozenset[int]
    objects: dict[str, list[Listed]]


def compare_bars(sides: Sides, progress: Progress) -> Verification:
    """Return what holds and what does not. A record that arrives meanwhile is never taken for a loss or a stray.

    Raises:
        TransientError: Kafka or the lake does not answer.
    """
    found = Verification(compared_with=_compared_with(sides))
    known, groups = _known(sides.kafka)
    # Only now the lake: what was acknowledged before is in it.
    objects = _objects(sides, found)
    total, done = sum(map(len, objects.values())), 0
    for group in groups:
        mine = {t: listed for t, listed in objects.items() if _partition(t, known) in group}
        for ticker in _compare_part(sides, _Part(group, mine), known, found):
            done += len(mine.get(ticker, ()))
            progress.update(done, total, ticker)
    found.objects = total
    found.tickers.sort(key=lambda ticker: ticker.ticker)
    return found


def _compared_with(sides: Sides) -> tuple[str, ...]:
    return (*(("files",) if sides.source else ()), *(("topics",) if sides.kafka else ()))


def _objects(sides: Sides, found: Verification) -> dict[str, list[Listed]]:
    """Return the objects by ticker; those of no ticker are strays."""
    objects: dict[str, list[Listed]] = {}
    for listed in sides.lake.objects(BUCKET):
        ticker = ticker_in(listed.name)
        if ticker is None:
            found.strays += read_object(sides.lake, listed)[1]
        elif sides.wants(ticker):
            objects.setdefault(ticker, []).append(listed)
    return objects


def _known(kafka: KafkaSettings | None) -> tuple[Known, list[frozenset[int]]]:
    """Return what is due, and the partitions in groups of so few records that memory stays bounded."""
    if kafka is None:
        return Known({}, Refusals(), 1), [frozenset([0])]
    admin = KafkaAdmin(kafka, "tickerstream-verify")
    records = dict.fromkeys(range(admin.partitions(TOPICS[0])), 0)
    acknowledged = admin.committed(GROUP, TOPICS)
    for topic in TOPICS:
        begin = admin.begin_offsets(topic)
        for partition, end in admin.end_offsets(topic).items():
            records[partition] = records.get(partition, 0) + end - begin[partition]
    groups, room = [list[int]()], _RECORDS_AT_ONCE
    for partition, count in records.items():
        if groups[-1] and count > room:
            groups.append([])
            room = _RECORDS_AT_ONCE
        groups[-1].append(partition)
        room -= count
    return Known(acknowledged, read_refusals(kafka, TOPICS), len(records)), [frozenset(group) for group in groups]


def _partition(ticker: str, known: Known) -> int:
    return partition_of(ticker.encode(), known.partitions)


def _compare_part(sides: Sides, part: _Part, known: Known, found: Verification) -> Iterator[str]:
    """Compare the tickers of a part; yield each one as its objects are read."""
    weeks: dict[tuple[str, int], LakeWeek] = {}
    gaps: dict[str, Gaps] = {}
    for ticker, objects in part.objects.items():
        minutes = []
        for listed in objects:
            week, strays = read_object(sides.lake, listed)
            found.strays += strays
            if week is not None:
                weeks[ticker, week.week] = week
                minutes.append(week.minutes)
        gaps[ticker] = gaps_in(np.sort(np.concatenate(minutes))) if minutes else Gaps()
        yield ticker
    topics = None
    if sides.kafka is not None:
        topics = read_partitions(sides.kafka, part.partitions, known, sides.tickers)
        found.refused_in_topics += topics.refused
        found.unaccounted += topics.unaccounted
    source = sides.source.bars if sides.source else None
    named = [t for t in (source.tickers if source else []) if sides.wants(t)]
    in_files = {ticker for ticker in named if _partition(ticker, known) in part.partitions}
    in_topics = {*topics.due.tickers, *topics.later.tickers} if topics else set()
    for ticker in sorted({*part.objects, *in_files, *in_topics}):
        results = _weeks_of_ticker(ticker, weeks, source, topics, found)
        found.tickers.append(TickerResult(ticker, results, gaps.get(ticker, Gaps())))


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
        unexplained = missing_from(
            _identity(lake), distinct(np.concatenate((due, topics.later.distinct(ticker, week))))
        )
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
