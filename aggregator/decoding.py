"""Decodes records: valid bars of the key's ticker by week, and slow facts. What is refused is the lake's to keep."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from aggregator.topics import Fact, Inputs
from shared.contracts.bars import INSTANT, decode_bars, split_valid
from shared.contracts.facts import Filing, MacroVintage
from shared.contracts.versions import INGESTED_AT
from shared.contracts.weeks import IsoWeek, week_start
from shared.errors import PoisonMessageError
from shared.ports import Record

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DecodedBars:
    """The valid bars of one record.

    Attributes:
        ticker: Whose.
        weeks: By ISO week: message columns and `ingested_at`.
        refused: How many rows were refused.
    """

    ticker: str
    weeks: dict[IsoWeek, pl.DataFrame]
    refused: int


def decode_bar_record(record: Record) -> DecodedBars:
    """Return the record's bars.

    Raises:
        PoisonMessageError: the value is no Arrow stream of bars.
    """
    bars = decode_bars(record.value)
    valid, _ = split_valid(bars)
    ticker = (record.key or b"").decode(errors="replace")
    valid = valid.filter(pl.col("ticker") == ticker)
    stamp = pl.Series([(record.timestamp - _EPOCH) // _MICROSECOND]).cast(INSTANT)
    stamped = valid.hstack([stamp.new_from_index(0, valid.height).alias(INGESTED_AT)])
    return DecodedBars(ticker, by_week(stamped), bars.height - valid.height)


def by_week(bars: pl.DataFrame) -> dict[IsoWeek, pl.DataFrame]:
    """Return bars by ISO week; a record mostly holds one, but need not."""
    if bars.is_empty():
        return {}
    first, last = bars["timestamp"].min(), bars["timestamp"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)  # noqa: S101  an instant column of some rows
    if IsoWeek.of(first) == IsoWeek.of(last):
        return {IsoWeek.of(first): bars}
    parts = bars.with_columns(week_start().alias(".week")).partition_by(".week", include_key=False)
    return {IsoWeek.of(part["timestamp"][0]): part for part in parts}


def decode_fact(record: Record, inputs: Inputs) -> Fact:
    """Return the slow fact in a record.

    Raises:
        PoisonMessageError: it is none, or another one than the key says.
    """
    fact = inputs.facts[record.position.topic].decode(record.value)
    name = name_of(fact)
    if record.key != name.encode():
        raise PoisonMessageError(f"the key is not {name!r}, which the message is about", "wrong_key")
    return fact


def name_of(fact: Fact) -> str:
    """Return what the fact is about: a series or a ticker."""
    if isinstance(fact, MacroVintage):
        return fact.series
    return fact.symbol if isinstance(fact, Filing) else fact.ticker
