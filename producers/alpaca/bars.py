"""Alpaca's JSON bars as frames of the contract."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from producers.source import Bars, Refused
from shared.contracts.bars import BAR_COLUMNS, BAR_LENGTH, NOMINAL, OBSERVED
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.contracts.weeks import week_start

NAME: Final = "alpaca"


@dataclass(frozen=True, slots=True)
class Minute:
    """One bar as Alpaca states it, before it has a known time. Fields may be missing (null), never of a wrong type."""

    ticker: str
    timestamp: datetime
    values: tuple[float | None, float | None, float | None, float | None, float | None, int | None, float | None]
    """open, high, low, close, volume, trade_count, vwap"""

    @property
    def close_time(self) -> datetime:
        """Return the end of the minute."""
        return self.timestamp + BAR_LENGTH


def minute_of(ticker: str, raw: Any) -> Minute:
    """Return the bar in Alpaca's short names (t o h l c v n vw), JSON or MessagePack.

    Raises:
        ValueError: a field has a type that cannot be one of a bar; the text names it.
    """
    if not isinstance(raw, Mapping):
        raise ValueError("not an object")
    prices = [_number(raw, key) for key in ("o", "h", "l", "c", "v")]
    count = _number(raw, "n")
    if count is not None and count != int(count):
        raise ValueError("n is not a whole number")
    opened, high, low, close, volume = prices
    trades = None if count is None else int(count)
    return Minute(ticker, _instant(raw.get("t")), (opened, high, low, close, volume, trades, _number(raw, "vw")))


def _number(raw: Mapping[str, Any], key: str) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        raise ValueError(f"{key} is not a number")
    return float(value)


def _instant(value: Any) -> datetime:
    """Return RFC 3339 text or a MessagePack timestamp as an aware instant."""
    if isinstance(value, str):
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError("t has no zone")
        return instant.astimezone(UTC)
    if hasattr(value, "to_datetime"):
        stamped: datetime = value.to_datetime()
        return stamped.astimezone(UTC)
    raise ValueError("t is not a time")


def known_at_close(minute: Minute) -> tuple[datetime, str]:
    """Return the known time of a bar from history: Alpaca does not tell it, so it is the bar's close, nominal."""
    return minute.close_time, NOMINAL


def known_at_receipt(minute: Minute, received: datetime) -> tuple[datetime, str]:
    """Return the known time of a live bar: its receipt, and never before its close, however the clocks differ."""
    return max(received, minute.close_time), OBSERVED


def frame_of(minutes: Iterable[tuple[Minute, tuple[datetime, str]]], feed: str) -> pl.DataFrame:
    """Return bars with their known times and bases as a frame with exactly BAR_COLUMNS: raw prices, in given order."""
    rows = [
        (m.ticker, m.timestamp, *m.values, known_at, basis, NAME, feed, False, False)
        for m, (known_at, basis) in minutes
    ]
    return pl.DataFrame(rows, schema=dict(BAR_COLUMNS), orient="row")


def by_week(frame: pl.DataFrame) -> Iterator[Bars]:
    """Yield the bars of each ticker and ISO week, exact repetitions removed and counted, in order of first sight."""
    keyed = frame.with_columns(week_start().alias("_week"))
    for part in keyed.partition_by("ticker", "_week", maintain_order=True):
        bars = part.drop("_week")
        once = bars.unique(maintain_order=True)
        yield Bars(once, duplicates=bars.height - once.height, origin=NAME)


def refused(raw: Any, row: int, reason: str, error_class: str) -> Refused:
    """Return the dead letter of one record of a vendor's answer; `row` is its number there (1 = first)."""
    text = json.dumps(raw, default=str, sort_keys=True).encode()
    return Refused(NAME, row, text[:MAX_KEPT_BYTES], len(text), reason, error_class)
