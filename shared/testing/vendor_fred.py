"""FRED's API on loopback, for tests: observations by real-time period and vintage dates, as the documented XML.

The truth is a list of events per series; `as_of` answers from it directly, `answer` by intervals as ALFRED does.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar
from xml.etree import ElementTree

from shared.clock import Clock
from shared.testing.vendor_api import Reply, VendorApi

KEY = "0123456789abcdef0123456789abcdef"
T = TypeVar("T")

FIRST_DAY, LAST_DAY = date(1776, 7, 4), date(9999, 12, 31)


@dataclass(frozen=True, slots=True)
class Event:
    """From the vintage on, the observation has this text ("." for a missing value; None: it is withdrawn)."""

    vintage: date
    observed: date
    value: str | None


class FredApi(VendorApi):
    """Answers /fred/series/observations and /fred/series/vintagedates.

    Args:
        series: Events by series, in order of vintage.
        most_rows: Most rows a page, whatever the client asks for.
        most_vintages: Most vintage dates a request may span.
        clock: The server's time.
        per_minute: The rate limit.
    """

    def __init__(
        self,
        series: Mapping[str, Iterable[Event]],
        *,
        most_rows: int = 100_000,
        most_vintages: int = 2000,
        clock: Clock | None = None,
        per_minute: int | None = None,
    ) -> None:
        super().__init__(clock, per_minute)
        self.series = {name: tuple(events) for name, events in series.items()}
        self._most_rows = most_rows
        self._most_vintages = most_vintages

    @property
    def root(self) -> str:
        """Return what stands for https://api.stlouisfed.org/fred."""
        return f"{self.url}/fred"

    def as_of(self, series: str, day: date) -> dict[date, str]:
        """Return the values by observation date as they were known on `day`."""
        known: dict[date, str] = {}
        for event in self.series[series]:
            if event.vintage <= day and event.value is None:
                known.pop(event.observed, None)
            elif event.vintage <= day and event.value is not None:
                known[event.observed] = event.value
        return known

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:  # noqa: ARG002
        """Return the answer of FRED."""
        if "api_key" not in query:
            return _error("Bad Request.  Variable api_key has not been set.")
        if query["api_key"] != KEY:
            return _error("Bad Request.  The value for variable api_key is not registered.")
        if query.get("series_id") not in self.series:
            return _error("Bad Request.  The series does not exist.")
        if path == "/fred/series/vintagedates":
            return self._vintage_dates_answer(query)
        if path == "/fred/series/observations":
            return self._observations_answer(query)
        return _error("Not Found.", 404)

    def too_many(self) -> Reply:
        """Return FRED's answer to a request above the limit."""
        return _error("Too Many Requests.  Exceeded Rate Limit", 429)

    def _vintage_dates_answer(self, query: Mapping[str, str]) -> Reply:
        dates = sorted({event.vintage for event in self.series[query["series_id"]]})
        root = ElementTree.Element("vintage_dates")
        for day in self._page(root, dates, query, 10_000):
            ElementTree.SubElement(root, "vintage_date").text = day.isoformat()
        return _xml(root)

    def _observations_answer(self, query: Mapping[str, str]) -> Reply:
        events = self.series[query["series_id"]]
        first = date.fromisoformat(query.get("realtime_start", FIRST_DAY.isoformat()))
        last = date.fromisoformat(query.get("realtime_end", LAST_DAY.isoformat()))
        spanned = len({event.vintage for event in events if first <= event.vintage <= last})
        if spanned > self._most_vintages:
            return _error(
                f"Bad Request.  There are {spanned} vintage dates in the specified real-time period: {first} to {last}."
                f"  This exceeds the maximum number of vintage dates allowed ({self._most_vintages})."
            )
        observed_from = date.fromisoformat(query.get("observation_start", FIRST_DAY.isoformat()))
        rows = [
            (observed, max(start, first), min(end, last), value)
            for observed, start, end, value in _intervals(events)
            if observed >= observed_from and start <= last and end >= first
        ]
        root = ElementTree.Element("observations", units="lin", output_type="1", file_type="xml")
        for observed, start, end, value in self._page(root, rows, query, 100_000):
            attributes = {"realtime_start": str(start), "realtime_end": str(end), "date": str(observed), "value": value}
            ElementTree.SubElement(root, "observation", attributes)
        return _xml(root)

    def _page(self, root: ElementTree.Element, rows: list[T], query: Mapping[str, str], default: int) -> list[T]:
        """Return one page of `rows`, and tell the root which."""
        offset = int(query.get("offset", "0"))
        limit = min(int(query.get("limit", default)), self._most_rows)
        root.attrib.update(count=str(len(rows)), offset=str(offset), limit=str(limit))
        return rows[offset : offset + limit]


def _intervals(events: Iterable[Event]) -> list[tuple[date, date, date, str]]:
    """Return (observed, first day, last day, value) by observation date, unchanged values in one interval."""
    by_date: defaultdict[date, list[Event]] = defaultdict(list)
    for event in events:
        by_date[event.observed].append(event)
    found = []
    for observed in sorted(by_date):
        told = [e for i, e in enumerate(by_date[observed]) if i == 0 or e.value != by_date[observed][i - 1].value]
        ends = [e.vintage - timedelta(days=1) for e in told[1:]] + [LAST_DAY]
        found += [(observed, e.vintage, end, e.value) for e, end in zip(told, ends, strict=True) if e.value is not None]
    return found


def _error(message: str, status: int = 400) -> Reply:
    root = ElementTree.Element("error", code=str(status), message=message)
    return Reply(status, _xml(root).body, content_type="text/xml;charset=utf-8")


def _xml(root: ElementTree.Element) -> Reply:
    return Reply(200, ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), content_type="text/xml")
