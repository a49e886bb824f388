"""What commands and tests do with a stack: start it, stop it, ask for it, restart a part of it."""

import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from infra.embedded.addresses import SERVER_PORTS, SERVICE_PORTS, Addresses, addresses
from infra.embedded.control import (
    POLL_SECONDS,
    Watcher,
    current_state,
    launch_supervisor,
    request,
    send_signal,
    wait_stopped,
    wait_up,
)
from infra.embedded.files import exclusive
from infra.embedded.jars import Progress, ensure_jars
from infra.embedded.java import make_runtime_archive
from infra.embedded.layout import Home
from infra.embedded.logs import last_line
from infra.embedded.orphans import SUPERVISOR, find_orphans, find_supervisor, stop_orphans
from infra.embedded.ports import MovedPort, choose_ports, load_ports
from infra.embedded.processes import Identity, wait_gone
from infra.embedded.services import PROVISION, SERVICES, Plan, ServiceEntry
from infra.embedded.state import StackState, UnitState, load_state
from shared.errors import ConfigurationError, TransientError

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Started:
    """What a start came to.

    Attributes:
        already_up: Whether the stack was up before.
        added: Services that were started in a stack that was up.
        cleaned: Processes of a lost supervisor that were stopped first.
        moved: Ports that somebody else had taken.
        state: How the stack stands now.
        seconds: How long it took.
    """

    already_up: bool
    state: StackState
    seconds: float
    added: list[str] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)
    moved: list[MovedPort] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop came to.

    Attributes:
        was_up: Whether anything ran.
        killed: Processes that did not end when told to, and were killed.
        seconds: How long it took.
    """

    was_up: bool
    killed: list[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to start.

    Attributes:
        services: The services.
        provision: The one-shot process before them; None = none.
        timeout: Seconds that the start may take, downloads aside.
    """

    services: Sequence[ServiceEntry] = SERVICES
    provision: ServiceEntry | None = PROVISION
    timeout: float = START_SECONDS


def start(
    home: Home, wanted: Wanted | None = None, progress: Progress | None = None, watch: Watcher | None = None
) -> Started:
    """Start the stack in `home` and wait until it is up. In a stack that is up, start the services that it lacks.

    Args:
        home: The stack's home.
        wanted: What to start; by default everything.
        progress: Told of downloads.
        watch: Told of every change while waiting.

    Raises:
        TransientError: A download, a server or provisioning failed, or it took too long.
        ConfigurationError: Something that a person must change.
    """
    wanted, begun = wanted or Wanted(), time.monotonic()
    home.create()
    with exclusive(home.run / "start.lock"):
        supervisor = find_supervisor(home)
        if supervisor is not None:
            state = wait_up(home, supervisor, wanted.timeout, watch)
            _give_ports(home)
            added = _add_services(home, state, supervisor, wanted)
            return Started(True, current_state(home) or state, time.monotonic() - begun, added)
        cleaned = stop_orphans(home)
        home.state_file.unlink(missing_ok=True)
        for old in home.requests.glob("*.json"):
            old.unlink(missing_ok=True)
        _fetch(home, progress)
        begun = time.monotonic()
        ports, moved = choose_ports(home.ports_file, (*SERVER_PORTS, *SERVICE_PORTS))
        launch_supervisor(home, Plan(ports, wanted.provision, tuple(wanted.services)))
        state = wait_up(home, None, wanted.timeout, watch)
        return Started(False, state, time.monotonic() - begun, [], cleaned, moved)


def stop(home: Home, watch: Watcher | None = None) -> Stopped:
    """Stop the stack in `home`: services, then servers; whatever a lost supervisor left as well."""
    begun = time.monotonic()
    state = load_state(home.state_file)
    supervisor = find_supervisor(home, state)
    killed: list[str] = []
    if supervisor is not None:
        send_signal(supervisor, signal.SIGTERM)
        if not wait_stopped(home, supervisor, watch):
            send_signal(supervisor, signal.SIGKILL)
            wait_gone([supervisor], 5)
            killed.append(SUPERVISOR)
        after = current_state(home)
        killed += [unit.name for unit in after.units if unit.killed] if after else []
    cleaned = stop_orphans(home)
    for left in (*home.run.glob("*.json"), *home.requests.glob("*.json")):
        left.unlink(missing_ok=True)
    return Stopped(supervisor is not None or bool(cleaned), killed, time.monotonic() - begun)


def wipe(home: Home) -> None:
    """Remove the data of a stack that is down; its logs and the cache stay.

    Raises:
        ConfigurationError: It is up.
    """
    if find_supervisor(home) is not None or find_orphans(home):
        raise ConfigurationError(f"The stack in {home.root} is up; stop it before its data is removed.")
    for folder in (home.data, home.lake, home.models, home.run):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (home.state_file, home.ports_file, home.password_file, home.plan_file):
        file.unlink(missing_ok=True)


def restart(home: Home, name: str, timeout: float = START_SECONDS) -> UnitState:
    """Stop one process of the stack and start it again, with our settings; wait until it runs.

    Raises:
        ConfigurationError: The stack is not up, or has no process of that name.
        TransientError: It does not run again within `timeout` seconds.
    """
    supervisor = find_supervisor(home)
    state = current_state(home)
    if supervisor is None or state is None:
        raise ConfigurationError(f"The stack in {home.root} is not up; start it with `{home.command('up')}`.")
    before = state.unit(name)
    if before is None or before.kind == "job":
        names = ", ".join(unit.name for unit in state.units if unit.kind != "job")
        raise ConfigurationError(f"There is no process called {name}; there are: {names}.")
    request(home, supervisor, {"action": "restart", "name": name})
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        state = current_state(home)
        unit = state.unit(name) if state else None
        if unit is not None and (unit.process, unit.started_at) != (before.process, before.started_at):
            if unit.phase in {"running", "finished"}:
                return unit
            if unit.phase in {"failed", "restarting"}:
                raise TransientError(f"{name} ended with {unit.last_exit}: {unit.last_line}")
        time.sleep(POLL_SECONDS)
    raise TransientError(f"{name} does not run again after {timeout:g} s: {last_line(home.log(name))}")


@contextmanager
def running_stack(home: Home, wanted: Wanted | None = None, progress: Progress | None = None) -> Iterator[Addresses]:
    """Keep a stack up while the block runs; yield its addresses. One that was up before stays up after."""
    begun = start(home, wanted, progress)
    try:
        yield addresses(home)
    finally:
        if not begun.already_up:
            stop(home)


def _fetch(home: Home, progress: Progress | None) -> None:
    """Fetch the jars, and use the time to make the Java runtime's class archive."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(make_runtime_archive, home.cache)
        ensure_jars(home.cache, progress)


def _give_ports(home: Home) -> None:
    """Choose ports for services that had none when the stack was started, by an older version for instance."""
    kept = load_ports(home.ports_file)
    if lacking := [name for name in SERVICE_PORTS if name not in kept]:
        choose_ports(home.ports_file, lacking)


def _add_services(home: Home, state: StackState, supervisor: Identity, wanted: Wanted) -> list[str]:
    """Ask the supervisor for the services that do not run, and wait until it has started them."""
    there = {unit.name: unit for unit in state.units}
    lacking = [
        entry
        for entry in wanted.services
        if entry.name not in there or there[entry.name].phase in {"failed", "finished", "stopped"}
    ]
    for entry in lacking:
        request(home, supervisor, {"action": "add", "entry": asdict(entry)})
    deadline = time.monotonic() + wanted.timeout
    while lacking and time.monotonic() < deadline:
        taken = not any(home.requests.glob("*.json"))
        now = current_state(home)
        units = [now.unit(entry.name) for entry in lacking] if now else [None]
        if taken and all(unit and unit.phase not in {"waiting", "starting", "stopping"} for unit in units):
            break
        time.sleep(POLL_SECONDS)
    return [entry.name for entry in lacking]
