"""Every version of a ticker's bars that is known so far: from memory, else the lake, and Kafka where it is ahead."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final

import polars as pl

from aggregator.assignment import Assignment
from aggregator.gap import Frames, LakeGap
from aggregator.weeks import PackedWeeks
from shared.contracts.lake import STOCK
from shared.contracts.versions import union_versions
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import START_UP_WEEKS
from shared.ports import TopicPartition
from shared.storage.lake_bars import LakeBars

EMPTY: Final = pl.DataFrame(schema=STOCK.lake_columns)


def window_of(week: IsoWeek) -> list[IsoWeek]:
    """Return the weeks that a week's rows are made from: the start-up ones, then itself."""
    return [IsoWeek.of(week.start - timedelta(weeks=back)) for back in range(START_UP_WEEKS, -1, -1)]


class KnownBars:
    """Knows the bars of the tickers whose partitions are ours.

    Args:
        packed: What is in memory.
        lake: What is durable.
        gap: What only Kafka has.
        assignment: Which partitions are ours, and since which offset.
        topics: Names of the topics of bars.
    """

    def __init__(
        self, packed: PackedWeeks, lake: LakeBars, gap: LakeGap, assignment: Assignment, topics: tuple[str, str]
    ) -> None:
        self._packed = packed
        self._lake = lake
        self._gap = gap
        self._assignment = assignment
        self._topics = topics

    def weeks(
        self, ticker: str, partition: int, wanted: Iterable[IsoWeek], *, ask: bool = False
    ) -> dict[IsoWeek, pl.DataFrame]:
        """Return the known bars of these weeks, lake columns; empty frames where there are none.

        Args:
            ticker: Whose.
            partition: Its partition.
            wanted: Which weeks.
            ask: Whether the lake is asked though no record brought bars of the week: it may be older than the topics.

        Raises:
            TransientError: the lake or Kafka does not answer.
        """
        found: dict[IsoWeek, pl.DataFrame] = {}
        unknown = []
        slots = [(topic, partition) for topic in self._topics]
        complete = self._assignment.is_from_the_start(slots)
        for week in wanted:
            kept = self._packed.get(ticker, week)
            if kept is not None:
                found[week] = kept
            elif complete and not ask and not self._packed.was_seen(ticker, week):
                found[week] = EMPTY
            else:
                unknown.append(week)
        if unknown:
            found |= self._load(ticker, slots, unknown)
        return found

    def was_handled(self, ticker: str, week: IsoWeek) -> bool:
        """Return whether rows of the week were made since partitions were assigned."""
        return self._packed.was_handled(ticker, week)

    def put(self, ticker: str, week: IsoWeek, bars: pl.DataFrame) -> None:
        """Keep what is known of a week by now, of which rows are made."""
        self._packed.put(ticker, week, bars)

    def pass_over(self, ticker: str, week: IsoWeek) -> None:
        """Note that bars of a week came of which no rows are made now: the lake has them."""
        self._packed.note(ticker, week)

    def trim(self, ticker: str, newest: IsoWeek) -> None:
        """Keep of a ticker what the weeks from `newest` on need."""
        self._packed.trim(ticker, window_of(newest))

    def clear(self) -> None:
        """Forget everything: somebody else may have gone on meanwhile."""
        self._packed.clear()
        self._gap.forget()

    def _load(self, ticker: str, slots: list[TopicPartition], weeks: list[IsoWeek]) -> dict[IsoWeek, pl.DataFrame]:
        until = self._until(ticker, slots)
        landed = self._gap.landed(self._topics)
        stored = {week: self._lake.week(ticker, week) for week in weeks}
        beyond: Frames = self._gap.read(ticker, until, landed)
        found = {}
        for week in weeks:
            frames = [*([] if (lake := stored[week]) is None else [lake]), *beyond.get(week, [])]
            found[week] = union_versions(STOCK, *frames) if frames else EMPTY
            self._packed.put(ticker, week, found[week], handled=False)
        return found

    def _until(self, ticker: str, slots: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return how far Kafka has to be read: of a ticker that we have not met, nothing came since we began."""
        if self._packed.was_seen(ticker):
            return {tp: self._assignment.known(tp) for tp in slots if self._assignment.owns(tp)}
        return {tp: self._assignment.began(tp) for tp in slots if self._assignment.owns(tp)}
