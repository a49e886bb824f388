"""Patience with a vendor's HTTP API: requests are paced, repeated within bounds, and never shown with their keys."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter

from shared.clock import Clock
from shared.errors import ConfigurationError, TransientError

T = TypeVar("T")
Sleep = Callable[[float], None]

WINDOW_SECONDS: Final = 60.0
RETRIED_STATUSES: Final = frozenset({408, 423, 425, 429, 500, 502, 503, 504})


class AskAgainError(Exception):
    """This try failed in a way that another one may mend.

    Args:
        reason: A few words, without addresses or keys.
        after: Seconds that the vendor asks to wait, where it does.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Pace:
    """Lets at most `per_minute` requests pass in any 60 seconds; the first ones pass at once. For one thread.

    Args:
        per_minute: The vendor's limit, or less where other programs share the key.
        clock: Measures the minute.
        sleep: Waits; a test moves its clock instead.
    """

    def __init__(self, per_minute: int, clock: Clock, sleep: Sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._passed: deque[float] = deque(maxlen=per_minute)

    def take(self) -> None:
        """Wait until one more request may be sent."""
        if len(self._passed) == self._passed.maxlen:
            wait = self._passed[0] + WINDOW_SECONDS - self._clock.monotonic()
            if wait > 0:
                self._sleep(wait)
        self._passed.append(self._clock.monotonic())


class Patience:
    """Paces requests to one vendor and repeats failed ones for a bounded time.

    Args:
        vendor: Its name, for error messages.
        pace: The rate limit; each try counts.
        retry_seconds: How long one request is tried before giving up.
        clock: Measures that time.
        sleep: Waits between tries; a test moves its clock instead.
    """

    def __init__(self, vendor: str, pace: Pace, retry_seconds: float, clock: Clock, sleep: Sleep = time.sleep) -> None:
        self._vendor = vendor
        self._pace = pace
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._sleep = sleep
        self._backoff = wait_exponential_jitter(multiplier=0.5, max=30.0, jitter=0.5)

    def ask(self, request: Callable[[], T]) -> T:
        """Return what `request` returns, repeating it while it raises AskAgainError.

        Raises:
            TransientError: it went on failing until the time was used up.
        """
        started = self._clock.monotonic()

        def out_of_time(state: RetryCallState) -> bool:
            return self._clock.monotonic() - started + state.upcoming_sleep > self._retry_seconds

        retrying = Retrying(
            retry=retry_if_exception_type(AskAgainError),
            wait=self._wait,
            stop=out_of_time,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            answer: T = retrying(self._once, request)
        except AskAgainError as error:
            raise TransientError(
                f"{self._vendor} did not answer: {error}; gave up after {self._retry_seconds:g} s. "
                "Start again later: the run goes on where it stopped."
            ) from error
        return answer

    def _once(self, request: Callable[[], T]) -> T:
        self._pace.take()
        return request()

    def _wait(self, state: RetryCallState) -> float:
        """Return the back-off, or what the vendor asks for where that is longer."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, AskAgainError) and error.after is not None else 0.0
        return max(asked, self._backoff(state))


def send(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    """Send one request and read the whole answer.

    Raises:
        AskAgainError: no connection, no answer in time, or the answer broke off.
        ConfigurationError: the address is not one.
    """
    host = urlsplit(url).netloc
    try:
        return session.request(method, url, **options)
    # The texts of these errors hold the address with its query, and with it the key: only their kind is told.
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
        raise ConfigurationError(f"{host or 'the address'} cannot be asked: it is not an http(s) address") from None
    except requests.Timeout:
        raise AskAgainError(f"no answer from {host} in time") from None
    except requests.ConnectionError:
        raise AskAgainError(f"no connection to {host}") from None
    except requests.RequestException as error:
        raise AskAgainError(f"the answer of {host} broke off ({type(error).__name__})") from None


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that an answer asks to wait (Retry-After, else X-RateLimit-Reset), or None.

    Args:
        headers: Of the answer; names in any case.
        now: The current instant, aware.
    """
    retry_after = headers.get("Retry-After", "").strip()
    if retry_after.isdigit():
        return float(retry_after)
    if retry_after:
        try:
            instant = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        return max(0.0, (instant.replace(tzinfo=instant.tzinfo or UTC) - now).total_seconds())
    reset = headers.get("X-RateLimit-Reset", "").strip()
    return max(0.0, float(reset) - now.timestamp()) if reset.isdigit() else None
