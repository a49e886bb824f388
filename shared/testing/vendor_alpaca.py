"""Alpaca's market data API on loopback, for tests: historical bars and corporate actions in the documented shapes."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from shared.clock import Clock
from shared.contracts.calendar import session_close, session_open, sessions
from shared.testing.vendor_api import Reply, VendorApi

RawBar = dict[str, Any]
KEY, SECRET = "PKTESTKEY", "test-secret"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
REFUSED = Reply.of({"message": "forbidden."}, 403)
FEED_REFUSED = Reply.of({"message": "subscription does not permit querying recent SIP data"}, 403)
PLURALS = {
    "forward_split": "forward_splits",
    "reverse_split": "reverse_splits",
    "unit_split": "unit_splits",
    "cash_dividend": "cash_dividends",
    "stock_dividend": "stock_dividends",
}


def made_bar(minute: datetime, generator: random.Random, price: float) -> RawBar:
    """Return one valid bar near `price`, in Alpaca's short names."""
    opened, close = (round(price * (1 + generator.gauss(0, 0.0005)), 4) for _ in range(2))
    high, low = round(max(opened, close) * 1.0002, 4), round(min(opened, close) * 0.9998, 4)
    count = generator.randint(1, 300)
    return {
        "t": minute.strftime(TIME_FORMAT),
        "o": opened,
        "h": high,
        "l": low,
        "c": close,
        "v": generator.randint(count, 100 * count),
        "n": count,
        "vw": round((high + low) / 2, 6),
    }


def made_bars(ticker: str, first: date, last: date, seed: int = 7) -> list[RawBar]:
    """Return the bars of the sessions in [first, last] with some minutes missing and some before the open."""
    generator = random.Random(f"{seed}/{ticker}")
    price = generator.uniform(20, 400)
    bars = []
    for day in sessions(first, last):
        minute, close = session_open(day) - timedelta(minutes=30), session_close(day)
        while minute < close:
            if generator.random() < 0.97:
                price *= 1 + generator.gauss(0, 0.0004)
                bars.append(made_bar(minute, generator, price))
            minute += timedelta(minutes=1)
    return bars


class AlpacaApi(VendorApi):
    """Answers /v2/stocks/bars and /v1/corporate-actions.

    Args:
        bars: By ticker, ascending; may change while the server runs.
        actions: By the API's kind (`forward_splits`, `cash_dividends`, ...).
        page_rows: Most rows a page, whatever the client asks for.
        feeds: What the plan allows.
        clock: The server's time.
        per_minute: The plan's rate limit.
    """

    def __init__(
        self,
        bars: Mapping[str, list[RawBar]] | None = None,
        actions: Mapping[str, list[dict[str, Any]]] | None = None,
        *,
        page_rows: int = 10_000,
        feeds: Iterable[str] = ("iex",),
        clock: Clock | None = None,
        per_minute: int | None = None,
    ) -> None:
        super().__init__(clock, per_minute)
        self.bars = dict(bars or {})
        self.actions = dict(actions or {})
        self._page_rows = page_rows
        self._feeds = tuple(feeds)

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """Return the answer of Alpaca."""
        if headers.get("APCA-API-KEY-ID") != KEY or headers.get("APCA-API-SECRET-KEY") != SECRET:
            return REFUSED
        if path == "/v2/stocks/bars":
            return self._bars_answer(query)
        if path == "/v1/corporate-actions":
            return self._actions_answer(query)
        return Reply.of({"message": "endpoint not found."}, 404)

    def _bars_answer(self, query: Mapping[str, str]) -> Reply:
        if query.get("feed") not in self._feeds:
            return FEED_REFUSED
        if query.get("timeframe") != "1Min" or query.get("adjustment") != "raw":
            return Reply.of({"message": f"invalid timeframe: {query.get('timeframe')}"}, 400)
        symbols = sorted(query["symbols"].split(","))
        bad = [s for s in symbols if not s.replace(".", "").isalnum()]
        if bad:
            return Reply.of({"message": f"invalid symbol: {bad[0]}"}, 400)
        start, end = (datetime.fromisoformat(query[edge]).astimezone(UTC) for edge in ("start", "end"))
        rows = [(symbol, bar) for symbol in symbols for bar in _within(self.bars.get(symbol, []), start, end)]
        page, token = self._page(rows, query)
        found: dict[str, list[RawBar]] = {}
        for symbol, bar in page:
            found.setdefault(symbol, []).append(bar)
        return Reply.of({"bars": found, "next_page_token": token})

    def _actions_answer(self, query: Mapping[str, str]) -> Reply:
        symbols = set(query["symbols"].split(","))
        kinds = [PLURALS[kind] for kind in query["types"].split(",")]
        rows = [
            (kind, record)
            for kind in kinds
            for record in self.actions.get(kind, [])
            if symbols & {record.get("symbol"), record.get("old_symbol")}
            and query["start"] <= record["process_date"] <= query["end"]
        ]
        page, token = self._page(sorted(rows, key=lambda row: str(row[1]["process_date"])), query)
        found: dict[str, list[dict[str, Any]]] = {}
        for kind, record in page:
            found.setdefault(kind, []).append(record)
        return Reply.of({"corporate_actions": found, "next_page_token": token})

    def _page(
        self, rows: list[tuple[str, dict[str, Any]]], query: Mapping[str, str]
    ) -> tuple[list[tuple[str, dict[str, Any]]], str | None]:
        """Return one page of `rows` and the token of the next."""
        first = int(query.get("page_token", "page-0").removeprefix("page-"))
        after = first + min(self._page_rows, int(query.get("limit", "1000")))
        return rows[first:after], (f"page-{after}" if after < len(rows) else None)


def _within(bars: list[RawBar], start: datetime, end: datetime) -> list[RawBar]:
    """Return the bars, ascending, whose times lie in [start, end]; times of whole seconds compare as text."""
    first = (start + timedelta(microseconds=999_999)).strftime(TIME_FORMAT)
    last = end.strftime(TIME_FORMAT)
    return bars[bisect_left(bars, first, key=_time_of) : bisect_right(bars, last, key=_time_of)]


def _time_of(bar: RawBar) -> str:
    return str(bar["t"])
