"""What one poll returned, sorted by what it is: bars by ticker and week, slow facts, run events, offsets."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from aggregator.decoding import decode_bar_record, decode_fact
from aggregator.gate import RUN_HEADER
from aggregator.runs import Event
from aggregator.topics import Fact, Inputs
from shared.contracts.weeks import IsoWeek
from shared.ports import Record, TopicPartition


@dataclass(slots=True)
class TickerBars:
    """New bars of one ticker.

    Attributes:
        ticker: Whose.
        slot: The partition that its rows are said to come from: the first that brought bars.
        weeks: Frames of message columns and `ingested_at`.
    """

    ticker: str
    slot: TopicPartition
    weeks: dict[IsoWeek, list[pl.DataFrame]] = field(default_factory=dict)


@dataclass(slots=True)
class Incoming:
    """Records that are handled in one transaction.

    Attributes:
        moves: Next offset of each partition once they are.
        tickers: New bars.
        facts: New slow facts, each with Kafka's time of its record.
        events: Run events, in order.
        runs: Run -> tickers that it brought bars of.
        skipped: Ticker-weeks whose bars make no rows.
        rows: How many bars are valid.
        refused: How many bars are not.
        oldest: When Kafka received the first of the bars.
    """

    moves: dict[TopicPartition, int] = field(default_factory=dict)
    tickers: dict[str, TickerBars] = field(default_factory=dict)
    facts: list[tuple[Fact, datetime]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    runs: dict[str, set[str]] = field(default_factory=dict)
    skipped: list[tuple[str, IsoWeek]] = field(default_factory=list)
    rows: int = 0
    refused: int = 0
    oldest: datetime | None = None

    def pass_over(self, record: Record) -> None:
        """Count a record as handled."""
        self.moves[slot_of(record)] = record.position.offset + 1

    def add_bars(self, record: Record, skipped: Iterable[str] = ()) -> None:
        """Take a record of bars.

        Args:
            record: The record.
            skipped: Tickers whose bars make no rows.

        Raises:
            PoisonMessageError: it is none; nothing was taken of it.
        """
        decoded = decode_bar_record(record)
        self.pass_over(record)
        self.refused += decoded.refused
        if decoded.ticker in skipped:
            self.skipped += [(decoded.ticker, week) for week in decoded.weeks]
            return
        if not decoded.weeks:
            return
        self.oldest = min(self.oldest or record.timestamp, record.timestamp)
        known = self.tickers.setdefault(decoded.ticker, TickerBars(decoded.ticker, slot_of(record)))
        for week, bars in decoded.weeks.items():
            known.weeks.setdefault(week, []).append(bars)
            self.rows += bars.height
        if (run := record.headers.get(RUN_HEADER)) is not None:
            self.runs.setdefault(run.decode(errors="replace"), set()).add(decoded.ticker)

    def add_fact(self, record: Record, inputs: Inputs) -> None:
        """Take a record of a slow fact.

        Raises:
            PoisonMessageError: it is none; nothing was taken of it.
        """
        self.facts.append((decode_fact(record, inputs), record.timestamp))
        self.pass_over(record)

    def add_event(self, record: Record, event: Event) -> None:
        """Take a run event."""
        self.events.append(event)
        self.pass_over(record)


def slot_of(record: Record) -> TopicPartition:
    """Return the record's partition."""
    return record.position.topic, record.position.partition
