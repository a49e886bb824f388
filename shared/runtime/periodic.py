"""Loops that are not driven by records: an action at an interval, or once."""

import logging
from collections.abc import Callable

from shared.errors import TransientError
from shared.runtime.meter import count_error
from shared.runtime.service import Runtime

_log = logging.getLogger(__name__)


class PeriodicLoop:
    """Does `action` at once and then every `interval` seconds until stopped; waits out a TransientError.

    Args:
        runtime: Stop flag and heartbeat.
        interval: Seconds between the end of one time and the start of the next.
        action: What to do; returns what the heartbeat is to say.
    """

    def __init__(self, runtime: Runtime, interval: float, action: Callable[[], str | None]) -> None:
        self._runtime = runtime
        self._interval = interval
        self._action = action

    def run(self, count: int | None = None) -> int:
        """Run until stopped, or `count` times; return how often it was done."""
        done = 0
        while not self._runtime.stopping() and (count is None or done < count):
            try:
                detail = self._action()
                self._runtime.heartbeat.beat("running", detail or "", {"passes": done + 1})
            except TransientError as error:
                _log.warning("%s", error)
                count_error(error)
                self._runtime.heartbeat.beat("paused", str(error), {"passes": done})
            done += 1
            if count is None or done < count:
                self._runtime.stopping.wait(self._interval)
        return done


def job(runtime: Runtime, action: Callable[[], int | None]) -> int | None:
    """Do `action` once, with a heartbeat before and after."""
    runtime.heartbeat.beat("running")
    return action()
