"""Decodes records of bars: valid ones by week, the others refused with the reason."""

import io
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from consumers.decoded import Decoded, Part
from shared.contracts.bars import INSTANT, decode_bars, split_valid
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.contracts.lake import stock_object
from shared.contracts.weeks import IsoWeek, week_start
from shared.ports import Record
from shared.runtime.loops import RejectedRows

WRONG_KEY: Final = "key and ticker disagree"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# A frame has an overhead of about 20 KiB, whatever its rows.
_FRAME_WEIGHT: Final = 64


def decode_bar_record(record: Record) -> Decoded:
    """Return the record's bars by ticker-week.

    Raises:
        PoisonMessageError: the value is no Arrow stream of bars.
    """
    valid, refused = split_valid(decode_bars(record.value))
    key = (record.key or b"").decode(errors="replace")
    strays = valid["ticker"] != key
    if strays.any():
        reason = pl.lit(WRONG_KEY).alias("reason")
        refused = pl.concat([refused, valid.filter(strays).with_columns(reason)])
        valid = valid.filter(~strays)
    return Decoded(_by_week(valid, key, record.timestamp), valid.height, _rejected(refused))


def _by_week(bars: pl.DataFrame, ticker: str, ingested: datetime) -> tuple[Part, ...]:
    """Return one part a week; a record mostly holds one, but need not."""
    if bars.is_empty():
        return ()
    stamps = pl.Series("ingested_at", [(ingested - _EPOCH) // _MICROSECOND]).cast(INSTANT)
    stamped = bars.hstack([stamps.new_from_index(0, bars.height)])
    if _week(bars, bars["timestamp"].arg_min()) == _week(bars, bars["timestamp"].arg_max()):
        weeks = [stamped]
    else:
        weeks = stamped.with_columns(week_start().alias(".week")).partition_by(".week", include_key=False)
    return tuple(_part(ticker, week) for week in weeks)


def _part(ticker: str, bars: pl.DataFrame) -> Part:
    return Part(stock_object(ticker, _week(bars, 0)), bars, bars.height + _FRAME_WEIGHT)


def _week(bars: pl.DataFrame, row: int | None) -> IsoWeek:
    return IsoWeek.of(bars["timestamp"][row or 0])


def _rejected(refused: pl.DataFrame) -> tuple[RejectedRows, ...]:
    """Return the refused rows by reason, in pieces that a dead letter keeps whole."""
    rejected = []
    for rows in refused.partition_by("reason", maintain_order=True) if refused.height else ():
        reason: str = rows["reason"][0]
        error_class = "wrong_key" if reason == WRONG_KEY else "bad_row"
        pieces = _pieces(rows)
        for number, (value, count) in enumerate(pieces, start=1):
            # Letters of one record that say the same count once: the number tells them apart.
            text = reason if len(pieces) == 1 else f"{reason} (part {number} of {len(pieces)})"
            rejected.append(RejectedRows(value, count, text, error_class))
    return tuple(rejected)


def _pieces(rows: pl.DataFrame) -> list[tuple[bytes, int]]:
    """Return (Arrow stream with the column `reason`, rows), halved until each fits into a dead letter."""
    sink = io.BytesIO()
    rows.write_ipc_stream(sink, compression="zstd", compat_level=pl.CompatLevel.oldest())
    value = sink.getvalue()
    if len(value) <= MAX_KEPT_BYTES or rows.height == 1:
        return [(value, rows.height)]
    half = rows.height // 2
    return _pieces(rows[:half]) + _pieces(rows[half:])
