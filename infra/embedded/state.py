"""What a supervisor tells about its stack: one file, written whole at each change, read by every command."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from infra.embedded.files import write_atomic
from infra.embedded.processes import Identity

Kind = Literal["server", "job", "service"]
# waiting: not its turn yet. restarting: ended, and waits for its next start. finished: ended with 0.
# failed: ended in a way that a restart does not mend. stopping: told to end.
UnitPhase = Literal["waiting", "starting", "running", "restarting", "stopping", "stopped", "finished", "failed"]
StackPhase = Literal["starting", "running", "stopping", "stopped", "failed"]


@dataclass(slots=True)
class UnitState:
    """One process of the stack.

    Attributes:
        name: Its name.
        kind: What it is.
        phase: Where it stands.
        process: Who it is, while it runs.
        port: Port that it listens on, if any.
        restarts: How often it was started again after it had ended by itself.
        crashes: How often in a row it ended soon after its start.
        last_exit: Exit code of its last end (negative: killed by that signal).
        last_line: Last line of its log at that end.
        started_at: Start of the process, seconds since the epoch.
        killed: Whether it did not end when told to, and was killed.
    """

    name: str
    kind: Kind
    phase: UnitPhase = "waiting"
    process: Identity | None = None
    port: int | None = None
    restarts: int = 0
    last_exit: int | None = None
    last_line: str | None = None
    started_at: float | None = None
    killed: bool = False
    crashes: int = 0


@dataclass(slots=True)
class StackState:
    """A whole stack.

    Attributes:
        supervisor: Who watches over it.
        phase: Where it stands.
        message: Why it failed.
        units: Its processes, in the order of their start.
    """

    supervisor: Identity
    phase: StackPhase = "starting"
    message: str | None = None
    units: list[UnitState] = field(default_factory=list)

    def unit(self, name: str) -> UnitState | None:
        """Return the process called `name`."""
        return next((unit for unit in self.units if unit.name == name), None)

    def save(self, path: Path) -> None:
        """Write the state to `path`, whole or not at all."""
        write_atomic(path, json.dumps(asdict(self), indent=1) + "\n")


def load_state(path: Path) -> StackState | None:
    """Return the state in `path`, or None where there is none that can be read."""
    from pydantic import TypeAdapter, ValidationError  # only readers need it: a supervisor stays small

    try:
        return TypeAdapter(StackState).validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
