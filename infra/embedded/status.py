"""How a stack is: what its supervisor recorded, held against the processes that really run, and their heartbeats."""

import time
from dataclasses import dataclass, field
from datetime import datetime

from infra.embedded.addresses import addresses
from infra.embedded.files import read_object
from infra.embedded.layout import Home
from infra.embedded.orphans import find_orphans, find_supervisor
from infra.embedded.services import PREDICTOR
from infra.embedded.state import UnitState, load_state
from shared.runtime.usage import cpu_seconds, memory_mib

HEALTHY = frozenset({"running", "paused", "finished"})


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process of the stack.

    Attributes:
        name: Its name.
        kind: server, job or service.
        state: What it does: a service's own word from its heartbeat, else the supervisor's.
        detail: The service's own explanation, or the last line of its log where it ended.
        pid: Process id while it runs.
        port: Port that it listens on.
        rss_mib: Memory that it holds now, MiB; of PostgreSQL all processes together.
        peak_rss_mib: The most that it held, MiB.
        cpu_seconds: Processor time that it has used, its children included.
        uptime_seconds: How long it has run.
        restarts: How often it was started again; None where only its container's engine knows.
        crashes: How often in a row it ended soon after its start.
        last_exit: Exit code of its last end.
        heartbeat_age_seconds: Age of its heartbeat.
        counters: What the service counts.
    """

    name: str
    kind: str
    state: str
    detail: str | None = None
    pid: int | None = None
    port: int | None = None
    rss_mib: float | None = None
    peak_rss_mib: float | None = None
    cpu_seconds: float | None = None
    uptime_seconds: float | None = None
    restarts: int | None = 0
    last_exit: int | None = None
    heartbeat_age_seconds: float | None = None
    counters: dict[str, object] = field(default_factory=dict)
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A whole stack.

    Attributes:
        home: The home folder.
        up: Whether a supervisor runs.
        healthy: Whether everything that should run does.
        message: What a person should know.
        processes: Its processes, in the order of their start.
        page: Address of the predictor's page while it runs.
    """

    home: str
    up: bool
    healthy: bool
    message: str
    processes: list[ProcessStatus]
    page: str | None = None


def status(home: Home) -> StackStatus:
    """Return how the stack in `home` is; nothing is changed."""
    state = load_state(home.state_file)
    supervisor = find_supervisor(home, state)
    orphans = find_orphans(home) if supervisor is None else []
    if state is None or (supervisor is None and not orphans and state.phase in {"stopped", "failed"}):
        return StackStatus(str(home.root), supervisor is not None, False, "not up", [])
    processes = [_process_status(home, unit) for unit in state.units]
    if supervisor is None:
        names = ", ".join(name for name, _ in orphans) or "none"
        message = f"the supervisor was lost; left running: {names}. `tickerstream up` or `down` puts it in order"
        return StackStatus(str(home.root), False, False, message, processes)
    bad = [process.name for process in processes if process.state not in HEALTHY]
    healthy = state.phase == "running" and not bad
    message = state.phase if not bad else f"not well: {', '.join(bad)}"
    return StackStatus(str(home.root), True, healthy, message, processes, _page(home, processes))


def _page(home: Home, processes: list[ProcessStatus]) -> str | None:
    one = next((process for process in processes if process.name == PREDICTOR.name and process.pid), None)
    return addresses(home).page if one else None


def _process_status(home: Home, unit: UnitState) -> ProcessStatus:
    process = unit.process.process() if unit.process else None
    beat = _heartbeat(home, unit) if process else {}
    phase = unit.phase if process or unit.phase not in {"starting", "running", "stopping"} else "lost"
    ended = unit.phase in {"failed", "restarting"} or unit.phase == "finished"
    rss, peak = memory_mib(process) if process else (None, None)
    return ProcessStatus(
        unit.name,
        unit.kind,
        str(beat.get("state", phase)) if phase == "running" else phase,
        str(beat["detail"]) if beat.get("detail") else unit.last_line if ended else None,
        process.pid if process else None,
        unit.port,
        rss,
        peak,
        cpu_seconds(process) if process else None,
        round(time.time() - unit.started_at, 1) if process and unit.started_at else None,
        unit.restarts,
        unit.last_exit,
        _age(beat),
        _counters(beat),
        unit.crashes,
    )


def _heartbeat(home: Home, unit: UnitState) -> dict[str, object]:
    beat = read_object(home.heartbeat(unit.name)) or {}
    return beat if unit.process and beat.get("pid") == unit.process.pid else {}


def _age(beat: dict[str, object]) -> float | None:
    try:
        at = datetime.fromisoformat(str(beat["at"]))
    except (KeyError, ValueError):
        return None
    return round(time.time() - at.timestamp(), 1)


def _counters(beat: dict[str, object]) -> dict[str, object]:
    found = beat.get("counters")
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}
