"""Questions to Kafka that are asked now and then, and whose answers nobody waits for."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Subject = TypeVar("Subject")


class Asking(Generic[Subject]):
    """Asks again when all is answered and `seconds` have passed.

    Args:
        seconds: How often.
        at_once: Whether the first time is now.
    """

    def __init__(self, seconds: float, *, at_once: bool) -> None:
        self._seconds = seconds
        self._asked_at = float("-inf") if at_once else time.monotonic()
        self._asked: dict[Subject, Future[Any]] = {}

    def answered(self) -> list[tuple[Subject, Future[Any]]]:
        """Return the answers that have come since the last call, each by what it is about."""
        done = [subject for subject, answer in self._asked.items() if answer.done()]
        return [(subject, self._asked.pop(subject)) for subject in done]

    def ask_if_due(self, ask: Callable[[], Mapping[Subject, "Future[Any]"]]) -> None:
        """Call `ask` for the coming answers, if it is time to."""
        if not self._asked and time.monotonic() - self._asked_at >= self._seconds:
            self._asked_at = time.monotonic()
            self._asked = dict(ask())
