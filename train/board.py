"""One heartbeat for a process of several loops."""

import threading
from collections.abc import Mapping

from shared.clock import Clock
from shared.runtime.heartbeat import Heartbeat, State


class Board:
    """Gathers what the loops say, and writes it as one heartbeat: paused if any loop that matters is.

    Args:
        heartbeat: Where it is written.
        clock: For the parts.
    """

    def __init__(self, heartbeat: Heartbeat, clock: Clock) -> None:
        self._heartbeat = heartbeat
        self._clock = clock
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()

    def part(self, name: str, *, matters: bool = True) -> Heartbeat:
        """Return the heartbeat of one loop. One that does not matter only adds to the detail when it is paused."""
        part = _Part(self, name, self._clock, matters=matters)
        self._parts[name] = part
        return part

    def write(self) -> None:
        """Write what all parts said last."""
        with self._lock:
            parts = list(self._parts.values())
            paused = any(part.state == "paused" for part in parts if part.matters)
            starting = any(part.state == "starting" for part in parts if part.matters)
            details = [f"{part.name}: {part.detail}" for part in parts if part.detail]
            counters = {name: value for part in parts for name, value in part.counters.items()}
            state: State = "paused" if paused else "starting" if starting else "running"
            self._heartbeat.beat(state, "; ".join(details), counters)


class _Part(Heartbeat):
    """What one loop said last."""

    def __init__(self, board: Board, name: str, clock: Clock, *, matters: bool) -> None:
        super().__init__(None, name, clock)
        self.name = name
        self.matters = matters
        self.state: State = "starting"
        self.detail = ""
        self.counters: dict[str, int | float] = {}
        self._board = board

    def beat(self, state: State, detail: str = "", counters: Mapping[str, int | float] | None = None) -> None:
        """Take it, and have the whole written."""
        self.state, self.detail = state, detail
        if counters is not None:
            self.counters = {f"{self.name}_{name}": value for name, value in counters.items()}
        self._board.write()
