"""Pace, patience and the waits that vendors ask for."""

from bisect import bisect_right
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from producers.web import AskAgainError, Pace, Patience, asked_wait, send
from shared.clock import ManualClock
from shared.errors import ConfigurationError, TransientError

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)


@given(st.integers(1, 20), st.lists(st.floats(0, 90), min_size=1, max_size=200))
def test_pace_lets_no_more_pass_in_any_minute(per_minute: int, pauses: list[float]) -> None:
    clock = ManualClock(NOW)
    pace = Pace(per_minute, clock, clock.advance)
    times = []
    for pause in pauses:
        clock.advance(pause)
        pace.take()
        times.append(clock.monotonic())
    assert all(bisect_right(times, t + 59.999) - i <= per_minute for i, t in enumerate(times))


def test_pace_does_not_wait_below_the_limit() -> None:
    clock = ManualClock(NOW)
    pace = Pace(5, clock, clock.advance)
    for _ in range(5):
        pace.take()
    assert clock.monotonic() == 0
    pace.take()
    assert clock.monotonic() == 60


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Mon, 01 Jun 2026 15:00:20 GMT"}, 20),
        ({"Retry-After": "Mon, 01 Jun 2026 14:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 41)}, 41),
        ({"X-RateLimit-Reset": "1"}, 0),
        ({"X-RateLimit-Reset": "never"}, None),
        ({"Retry-After": "3", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 41)}, 3),
    ],
)
def test_asked_wait_reads_both_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers, NOW) == seconds


def test_patience_honours_a_wait_longer_than_its_back_off() -> None:
    clock = ManualClock(NOW)
    patience = Patience("Vendor", Pace(100, clock, clock.advance), 100, clock, clock.advance)
    tries: list[float] = []

    def request() -> str:
        tries.append(clock.monotonic())
        if len(tries) < 3:
            raise AskAgainError("busy", after=25)
        return "answer"

    assert patience.ask(request) == "answer"
    assert tries == [0, 25, 50]


def test_patience_ends_where_the_asked_wait_passes_its_bound() -> None:
    clock = ManualClock(NOW)
    patience = Patience("Vendor", Pace(100, clock, clock.advance), 100, clock, clock.advance)

    def request() -> str:
        raise AskAgainError("busy", after=3600)

    with pytest.raises(TransientError, match="Vendor did not answer: busy"):
        patience.ask(request)
    assert clock.monotonic() == 0


def test_address_that_is_none_is_a_configuration_error() -> None:
    with requests.Session() as session, pytest.raises(ConfigurationError):
        send(session, "GET", "nonsense", timeout=1)
