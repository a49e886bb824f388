"""What a process tells about itself: one small file, replaced whole."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from shared.clock import Clock

State = Literal["starting", "running", "paused", "stopped"]


class Heartbeat:
    """Writes HEARTBEAT_FILE; does nothing where none is set.

    Args:
        path: The file; its folder is made.
        service: The service's name.
        clock: For `at`.
    """

    def __init__(self, path: Path | None, service: str, clock: Clock) -> None:
        self._path = path
        self._service = service
        self._clock = clock
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def beat(self, state: State, detail: str = "", counters: Mapping[str, int | float] | None = None) -> None:
        """Say how the process is, and what it has counted since it started."""
        if self._path is None:
            return
        text = json.dumps(
            {
                "pid": os.getpid(),
                "service": self._service,
                "state": state,
                "detail": detail,
                "at": self._clock.now().isoformat(),
                "counters": dict(counters or {}),
            }
        )
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(self._path)
