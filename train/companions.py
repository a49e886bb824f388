"""Loops beside the main one, each in a thread; the first that fails ends the process."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from shared.runtime.stopping import Stopping


class Companions:
    """Runs loops in threads until the process is to stop; on leaving it waits for them and raises what one raised.

    Args:
        stopping: Set when a loop fails; the loops must look at it.
    """

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def start(self, name: str, loop: Callable[[], object]) -> None:
        """Run `loop` in a thread of its own."""
        thread = threading.Thread(target=self._run, args=(loop,), name=name)
        self._threads.append(thread)
        thread.start()

    def _run(self, loop: Callable[[], object]) -> None:
        try:
            loop()
        except BaseException as error:
            self._failures.append(error)
            self._stopping.set()

    def __enter__(self) -> Self:
        """Provide the companions."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for every loop; raise the first failure, unless the main loop has failed itself."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if error is None and self._failures:
            raise self._failures[0]
