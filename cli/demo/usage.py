"""What the stack's processes use while they work: memory at most, by each and together, and processor time."""

import threading
from types import TracebackType
from typing import Final, Self

from infra.embedded.layout import Home
from infra.embedded.status import ProcessStatus, status

LOOK_SECONDS: Final = 2.0


class UsageWatch:
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
        self.cpu_seconds: dict[str, float] = {}
        """Processor time that each used while this looked."""
        self._before: dict[tuple[str, int | None], float] = {}
        self._used: dict[tuple[str, int | None], float] = {}

    def look(self) -> None:
        """Look once."""
        now = [one for one in status(self._home).processes if one.rss_mib is not None]
        for one in now:
            self.peaks[one.name] = max(self.peaks.get(one.name, 0.0), one.peak_rss_mib or one.rss_mib or 0.0)
            self._count_cpu(one)
        self.together = max(self.together, round(sum(one.rss_mib or 0.0 for one in now), 1))

    def _count_cpu(self, one: ProcessStatus) -> None:
        """Add up what each process of a name has used since it was seen first; one started again begins anew."""
        key, used = (one.name, one.pid), one.cpu_seconds or 0.0
        self._used[key] = max(used - self._before.setdefault(key, used), self._used.get(key, 0.0))
        total = sum(seconds for (name, _), seconds in self._used.items() if name == one.name)
        self.cpu_seconds[one.name] = round(total, 1)

    def __enter__(self) -> Self:
        """Begin to look."""
        self.look()
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
