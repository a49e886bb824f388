"""Looking at a server that may be starting again: a wait outlives its restart, and says that it waits."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cli.output import duration
from cli.progress import Board
from shared.errors import TransientError

PATIENCE_SECONDS: Final = 180.0
BETWEEN_SECONDS: Final = 0.5
# What is over sooner than this is not worth a line.
SILENT_SECONDS: Final = 2.0
SAY_AGAIN_SECONDS: Final = 15.0
T = TypeVar("T")


class Patience:
    """Asks again while a server does not answer.

    Args:
        shown: Where it says so.
        health: Raises when the stack is not able to go on.
        seconds: How long one question is asked again.
    """

    def __init__(
        self, shown: Board, health: Callable[[], None] = lambda: None, seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._shown = shown
        self._health = health
        self._seconds = seconds
        self._say_at = 0.0
        self._said = False

    def __call__(self, look: Callable[[], T]) -> T:
        """Return what `look` returns.

        Raises:
            TransientError: it did not answer in time, or the stack is not able to go on.
        """
        begun = time.monotonic()
        self._say_at, self._said = begun + SILENT_SECONDS, False
        again = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_delay(self._seconds),
            wait=wait_fixed(BETWEEN_SECONDS),
            before_sleep=self._heed,
            reraise=True,
        )
        found = again(look)
        if self._said:
            self._shown.say(f"it answers again; waited {duration(time.monotonic() - begun)}")
        return found

    def _heed(self, state: RetryCallState) -> None:
        self._health()
        if time.monotonic() >= self._say_at and state.outcome is not None:
            self._shown.say(f"waiting: {state.outcome.exception()}")
            self._say_at, self._said = time.monotonic() + SAY_AGAIN_SECONDS, True
