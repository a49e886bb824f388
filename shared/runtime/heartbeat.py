"""What a process tells about itself: kept for whoever asks, and in one small file, replaced whole."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from shared.clock import Clock

State = Literal["starting", "running", "paused", "stopped"]


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat: `counters` is what the process has counted since it started."""

    pid: int
    service: str
    state: State
    detail: str
    at: datetime
    counters: Mapping[str, int | float]

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"at": self.at.isoformat()}


class Heartbeat:
    """Keeps the newest beat, and writes it to HEARTBEAT_FILE where one is set.

    Args:
        path: The file; its folder is made.
        service: The service's name.
        clock: For `at`.
    """

    def __init__(self, path: Path | None, service: str, clock: Clock) -> None:
        self._path = path
        self._service = service
        self._clock = clock
        self.last: Beat | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def age(self) -> float | None:
        """Return the age of the newest beat in seconds; None before the first."""
        return None if self.last is None else (self._clock.now() - self.last.at).total_seconds()

    def beat(self, state: State, detail: str = "", counters: Mapping[str, int | float] | None = None) -> None:
        """Say how the process is, and what it has counted since it started."""
        self.last = Beat(os.getpid(), self._service, state, detail, self._clock.now(), dict(counters or {}))
        if self._path is None:
            return
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        beside.write_text(json.dumps(self.last.document()), encoding="utf-8")
        beside.replace(self._path)
