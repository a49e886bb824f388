"""How much memory the stack holds at most, by process and together, looked at while it works."""

import threading
from types import TracebackType
from typing import Final, Self

from infra.embedded.layout import Home
from infra.embedded.status import status

LOOK_SECONDS: Final = 2.0


class MemoryWatch:
    """Looks at every process of a stack, its children included, while the block runs.

    Args:
        home: The stack's home.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peaks: dict[str, float] = {}
        """The most that each process held, MiB."""
        self.together = 0.0
        """The most that all held at one moment, MiB."""

    def look(self) -> None:
        """Look once."""
        now = [one for one in status(self._home).processes if one.rss_mib is not None]
        for one in now:
            self.peaks[one.name] = max(self.peaks.get(one.name, 0.0), one.peak_rss_mib or one.rss_mib or 0.0)
        self.together = max(self.together, round(sum(one.rss_mib or 0.0 for one in now), 1))

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look a last time."""
        self._stop.set()
        self._thread.join()
        if error is None:
            self.look()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()
