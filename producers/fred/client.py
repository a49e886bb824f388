"""fredapi with patience: a rate limit, bounded retries, time-outs, all pages, and errors that say who acts."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final
from xml.etree import ElementTree

import requests
from fredapi import Fred

from producers.fred.settings import FredSettings
from producers.web import RETRIED_STATUSES, AskAgainError, Pace, Patience, Sleep, asked_wait, send
from shared.clock import Clock
from shared.errors import ConfigurationError

MISSING: Final = "."
BEGINNING: Final = date.fromisoformat(Fred.earliest_realtime_start)


@dataclass(frozen=True, slots=True)
class Interval:
    """`value` (text as FRED writes it; "." where there is none) of the observation `observed`, in force [start, end].

    FRED cuts `start` and `end` to the real-time period that was asked for.
    """

    observed: date
    start: date
    end: date
    value: str


class PatientFred(Fred):  # type: ignore[misc]  # fredapi has no types
    """fredapi's client over a request function of ours.

    fredapi's own has no time-out, hides the status of an error, and reads the first page only.

    Args:
        settings: Key, address and limits.
        clock: Measures the rate and the patience.
        sleep: Waits; a test moves its clock instead.
    """

    def __init__(self, settings: FredSettings, clock: Clock, sleep: Sleep = time.sleep) -> None:
        super().__init__(api_key=settings.fred_api_key.get_secret_value())
        self.root_url = settings.fred_url.rstrip("/")
        self._http = requests.Session()
        self._clock = clock
        self._timeout = settings.fred_timeout_seconds
        pace = Pace(settings.fred_requests_per_minute, clock, sleep)
        self._patience = Patience("FRED", pace, settings.fred_retry_seconds, clock, sleep)

    def vintage_dates(self, series: str) -> list[date]:
        """Return every date on which the series was released or revised, ascending.

        Raises:
            TransientError: FRED did not answer within the bounds of retry.
            ConfigurationError: the key or the series is refused.
        """
        return sorted(moment.date() for moment in self.get_series_vintage_dates(series))

    def intervals(self, series: str, observed_from: date, period: tuple[date, date]) -> Iterator[Interval]:
        """Yield the observations from `observed_from` on that were in force within the real-time period, inclusive.

        fredapi's get_series_all_releases drops the end of each interval, and with it the fact that a value was
        withdrawn; so the answer is read here.

        Raises:
            TransientError: FRED did not answer within the bounds of retry.
            ConfigurationError: the key or the series is refused.
        """
        url = (
            f"{self.root_url}/series/observations?series_id={series}&observation_start={observed_from}"
            f"&realtime_start={period[0]}&realtime_end={period[1]}"
        )
        for row in self._Fred__fetch_data(url):
            yield Interval(
                date.fromisoformat(row.attrib["date"]),
                date.fromisoformat(row.attrib["realtime_start"]),
                date.fromisoformat(row.attrib["realtime_end"]),
                row.attrib["value"],
            )

    def _Fred__fetch_data(self, url: str) -> ElementTree.Element:  # noqa: N802  the name that fredapi's methods call
        """Return the answer to `url` with the rows of all its pages."""
        whole = self._page(url, 0)
        while len(whole) < int(whole.get("count", len(whole))):
            whole.extend(self._page(url, len(whole), least=1))
        return whole

    def _page(self, url: str, offset: int, least: int = 0) -> ElementTree.Element:
        """Return one page; one of fewer than `least` rows counts as broken."""

        def request() -> ElementTree.Element:
            response = send(self._http, "GET", f"{url}&offset={offset}&api_key={self.api_key}", timeout=self._timeout)
            page = _root_of(response, self._clock)
            if len(page) < least:
                raise AskAgainError(f"no rows from {offset} on although FRED counts more")
            return page

        page: ElementTree.Element = self._patience.ask(request)
        return page


def _root_of(response: requests.Response, clock: Clock) -> ElementTree.Element:
    """Return the root of a good answer.

    Raises:
        AskAgainError: the answer is one of a server in trouble, or no XML.
        ConfigurationError: FRED will never answer this request.
    """
    try:
        root = ElementTree.fromstring(response.content)  # noqa: S314  expat bounds the expansion of entities
    except ElementTree.ParseError:
        root = None
    status = response.status_code
    message = " ".join((root.get("message", "") if root is not None else "").split())[:200]
    if status in RETRIED_STATUSES or status >= 500:
        raise AskAgainError(f"status {status} {message}".strip(), asked_wait(response.headers, clock.now()))
    if "api_key" in message or status in (401, 403):
        raise ConfigurationError(f"FRED_API_KEY: FRED refuses it ({status} {message}). Set a registered key.")
    if status != 200:
        raise ConfigurationError(f"FRED refuses the request ({status} {message}). Check the series and FRED_URL.")
    if root is None:
        raise AskAgainError("an answer that is not XML")
    return root
