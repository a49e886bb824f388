"""What a lost supervisor left behind: its processes are found and stopped before anything new starts."""

from concurrent.futures import ThreadPoolExecutor

import psutil

from infra.embedded.layout import Home
from infra.embedded.postgres import PostgresServer, postmaster
from infra.embedded.processes import Identity, orphans, stop_process
from infra.embedded.state import StackState, load_state
from infra.embedded.unit import Unit

SUPERVISOR = "supervisor"
SERVERS = ("postgres", "kafka", "mongo")
PASSES = 3


def find_supervisor(home: Home, state: StackState | None = None) -> Identity | None:
    """Return the supervisor of the stack in `home` if one runs: by the state file, else by its environment."""
    state = state or load_state(home.state_file)
    if state is not None and state.supervisor.alive():
        return state.supervisor
    return next((identity for name, identity in orphans(home.root) if name == SUPERVISOR), None)


def find_orphans(home: Home) -> list[tuple[str, Identity]]:
    """Return name and identity of the stack's processes that run, children of another of them left out.

    They are known by the state file, by their environment, and by PostgreSQL's own pid file.
    """
    found = {identity: name for name, identity in orphans(home.root) if name != SUPERVISOR}
    state = load_state(home.state_file)
    for unit in state.units if state else ():
        if unit.process is not None and unit.process.alive():
            found[unit.process] = unit.name
    if (server := postmaster(home.data / "postgres")) is not None:
        found[Identity(server.pid, server.create_time())] = "postgres"
    unique = {identity.pid: (name, identity) for identity, name in found.items()}
    return [entry for pid, entry in unique.items() if _parent(pid) not in unique]


def stop_orphans(home: Home) -> list[str]:
    """Stop what a lost supervisor left, services before servers.

    Returns:
        The names of what was stopped.
    """
    stopped: list[str] = []
    for _ in range(PASSES):
        left = find_orphans(home)
        if not left:
            break
        for layer in (
            [(name, identity) for name, identity in left if name not in SERVERS],
            [(name, identity) for name, identity in left if name in SERVERS],
        ):
            with ThreadPoolExecutor(max(1, len(layer))) as pool:
                list(pool.map(_stop, layer))
            stopped += [name for name, _ in layer]
    return list(dict.fromkeys(stopped))


def _stop(entry: tuple[str, Identity]) -> None:
    name, identity = entry
    stop_signal = PostgresServer.stop_signal if name == "postgres" else Unit.stop_signal
    stop_process(identity, stop_signal, Unit.grace_seconds)


def _parent(pid: int) -> int:
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return 0
