"""alpaca-py's REST clients with patience: a rate limit, bounded retries, time-outs, and errors that say who acts."""

import time
from typing import Any

import requests
from alpaca.common.rest import RESTClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.historical.stock import StockHistoricalDataClient

from producers.alpaca.settings import AlpacaSettings
from producers.web import RETRIED_STATUSES, AskAgainError, Pace, Patience, Sleep, asked_wait, send
from shared.clock import Clock
from shared.errors import ConfigurationError


class _Patient(RESTClient):
    """Replaces alpaca-py's single request, which has no time-out and answers a 429 with a blind wait of 3 s.

    Its paging stays: each page is one such request, so a fault in the middle repeats a page and not the whole.
    """

    _found: str  # the name that an answer's content has
    _patience: Patience
    _timeout: float
    _clock: Clock

    def be_patient(self, patience: Patience, timeout: float, clock: Clock) -> None:
        """Send requests through `patience`, wait `timeout` seconds for an answer, and tell the time by `clock`."""
        self._patience, self._timeout, self._clock = patience, timeout, clock

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> dict[str, Any]:  # noqa: ARG002
        """Return the JSON object of one answer. `retry` is alpaca-py's own count, which is not used."""

        def request() -> dict[str, Any]:
            response = send(self._session, method, url, timeout=self._timeout, **opts)
            return _found_in(response, self._found, self._clock)

        return self._patience.ask(request)


class BarsClient(_Patient, StockHistoricalDataClient):
    """Historical bars as Alpaca's JSON has them. See `clients`."""

    _found = "bars"


class ActionsClient(_Patient, CorporateActionsClient):
    """Corporate actions as Alpaca's JSON has them. See `clients`."""

    _found = "corporate_actions"


def clients(settings: AlpacaSettings, clock: Clock, sleep: Sleep = time.sleep) -> tuple[BarsClient, ActionsClient]:
    """Return both clients; they share one rate limit. For one thread.

    Args:
        settings: Keys, address and limits.
        clock: Measures the rate and the patience.
        sleep: Waits; a test moves its clock instead.
    """
    given: dict[str, Any] = {
        "api_key": settings.alpaca_api_key.get_secret_value(),
        "secret_key": settings.alpaca_secret_key.get_secret_value(),
        "raw_data": True,
        "url_override": settings.alpaca_data_url.rstrip("/"),
    }
    pace = Pace(settings.alpaca_requests_per_minute, clock, sleep)
    patience = Patience("Alpaca", pace, settings.alpaca_retry_seconds, clock, sleep)
    both = BarsClient(**given), ActionsClient(**given)
    for client in both:
        client.be_patient(patience, settings.alpaca_timeout_seconds, clock)
    return both


def _found_in(response: requests.Response, content: str, clock: Clock) -> dict[str, Any]:
    """Return a good answer, an object with `content` and the token of the next page, and nothing else.

    Where nothing was found Alpaca may write null, on which alpaca-py fails: that becomes an empty object.

    Raises:
        AskAgainError: the answer is one of a server in trouble, or of another shape.
        ConfigurationError: Alpaca will never answer this request.
    """
    if response.status_code != 200:
        raise _refusal(response, clock)
    try:
        body = response.json()
    except requests.JSONDecodeError:
        raise AskAgainError("an answer that is not JSON") from None
    if not isinstance(body, dict) or content not in body or not isinstance(body[content] or {}, dict):
        raise AskAgainError(f"an answer without {content}")
    return {content: body[content] or {}, "next_page_token": body.get("next_page_token")}


def _refusal(response: requests.Response, clock: Clock) -> Exception:
    """Return the error for an answer that is not 200: ask again, or a person must act."""
    status, message = response.status_code, _message_of(response)
    if status in RETRIED_STATUSES or status >= 500:
        return AskAgainError(f"status {status} {message}".strip(), asked_wait(response.headers, clock.now()))
    if status in (401, 403) and "subscription" in message.lower():
        return ConfigurationError(
            f"ALPACA_FEED: your Alpaca plan does not allow this feed ({message}). Set ALPACA_FEED=iex, "
            "end the range at least 15 minutes ago, or subscribe."
        )
    if status in (401, 403):
        return ConfigurationError(
            f"ALPACA_API_KEY, ALPACA_SECRET_KEY: Alpaca refuses them ({status} {message}). Set a valid pair."
        )
    return ConfigurationError(
        f"Alpaca refuses the request ({status} {message}). Check the tickers, the range and ALPACA_DATA_URL."
    )


def _message_of(response: requests.Response) -> str:
    """Return the message in an error's body, or its beginning, on one line."""
    try:
        body = response.json()
        text = str(body["message"]) if isinstance(body, dict) and "message" in body else response.text
    except requests.JSONDecodeError:
        text = response.text
    return " ".join(text.split())[:200]
