"""Bars, records and readings for the consumers' tests."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from shared.contracts.bars import BAR_COLUMNS, encode_bars
from shared.ports import ObjectStore, Position, Record

MONDAY = datetime(2025, 1, 6, 14, 30, tzinfo=UTC)
INGESTED = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def bar(ticker: str = "AAPL", minute: int = 0, close: float = 100.0, **changes: Any) -> dict[str, Any]:
    """A valid nominal bar, `minute` minutes after a Monday's open."""
    timestamp = MONDAY + minute * MINUTE
    plain: dict[str, Any] = {
        "ticker": ticker, "timestamp": timestamp, "open": 100.0, "high": 200.0, "low": 1.0, "close": close,
        "volume": float(minute), "trade_count": None, "vwap": None, "known_at": timestamp + MINUTE,
        "known_basis": "nominal", "source": "files", "feed": None, "adjusted": False, "simulated": False,
    }  # fmt: skip
    return plain | changes


def seen(bar: dict[str, Any], seconds_after_close: int, source: str = "alpaca") -> dict[str, Any]:
    """The same bar as a live producer saw it."""
    known = bar["timestamp"] + MINUTE + timedelta(seconds=seconds_after_close)
    return bar | {"known_at": known, "known_basis": "observed", "source": source}


def bars(ticker: str = "AAPL", minutes: range = range(5), **changes: Any) -> list[dict[str, Any]]:
    return [bar(ticker, minute, **changes) for minute in minutes]


def encoded(rows: list[dict[str, Any]]) -> bytes:
    return encode_bars(pl.DataFrame(rows, schema=BAR_COLUMNS))


def record(
    key: str | None, value: bytes | None, topic: str = "h_alpaca", offset: int = 0, ingested: datetime = INGESTED
) -> Record:
    return Record(Position(topic, 0, offset), key.encode() if key is not None else None, value, {}, ingested)


def vintage(**changes: Any) -> dict[str, Any]:
    return {
        "series": "GDPC1", "date": "2024-10-01", "value": 23542.3, "released_at": "2025-01-30T13:30:00Z",
        "released_basis": "calendar", "source": "fred",
    } | changes  # fmt: skip


def filing(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "AAPL", "period": "FY", "period_end": "2024-09-28", "calendarYear": 2024,
        "filed_at": "2024-11-01T06:01:36-04:00", "filed_basis": "accepted", "source": "files", "eps": 6.11,
        "revenue": 391035000000, "link": "10-K", "audited": True, "gone": None,
    } | changes  # fmt: skip


def dividend(**changes: Any) -> dict[str, Any]:
    return {
        "ticker": "AAPL", "action": "dividend", "amount": 0.25, "ex_date": "2025-02-10",
        "known_at": "2025-01-30T21:30:00Z", "known_basis": "observed", "source": "alpaca",
    } | changes  # fmt: skip


def lake_of(store: ObjectStore, bucket: str) -> Mapping[str, bytes]:
    """The bytes of every object in a bucket."""
    found = {}
    for info in store.list(bucket):
        stored = store.get(bucket, info.name)
        assert stored is not None
        found[info.name] = stored.data
    return found
