"""The stop flag of a process, and the signals that set it."""

import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Says whether the process is to end; `wait` sleeps no longer than until then.

    Safe to set from a signal handler: SimpleQueue is reentrant, where an Event may deadlock with its own waiter.
    """

    def __init__(self) -> None:
        self._set = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self._set

    def set(self) -> None:
        """Ask for the end."""
        self._set = True
        self._wake.put(None)

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`, less when asked to stop; return whether to stop."""
        if not self._set and seconds > 0:
            try:
                self._wake.get(timeout=seconds)
            except queue.Empty:
                return self._set
            self._wake.put(None)  # for whoever else waits
        return self._set


@contextmanager
def stop_on_signals(stopping: Stopping) -> Iterator[None]:
    """Set the flag on SIGTERM and SIGINT while inside; a second SIGINT kills at once.

    Outside the main thread, where Python allows no handlers, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the form that signal wants
        stopping.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
