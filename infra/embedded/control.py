"""How a command speaks with the supervisor of a stack: it starts one, follows its state, and leaves requests."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable

import psutil

from infra.embedded.files import write_atomic
from infra.embedded.given import given_settings
from infra.embedded.layout import Home
from infra.embedded.logs import last_line, rotate
from infra.embedded.orphans import SUPERVISOR
from infra.embedded.processes import HOME_VARIABLE, NAME_VARIABLE, Identity
from infra.embedded.services import Plan
from infra.embedded.state import StackState, load_state
from infra.embedded.unit import inherited_environment, python_module
from shared.errors import ConfigurationError, TickerstreamError, TransientError

STOP_SECONDS = 90.0
POLL_SECONDS = 0.03

Watcher = Callable[[StackState], None]


def launch_supervisor(home: Home, plan: Plan) -> None:
    """Start a supervisor for `plan` in the background."""
    write_atomic(home.plan_file, plan.to_json())
    log = home.log(SUPERVISOR)
    rotate(log)
    arguments = python_module("infra.embedded.supervisor", str(home.root), str(home.cache), str(home.plan_file))
    environment = {**inherited_environment(), HOME_VARIABLE: str(home.root), NAME_VARIABLE: SUPERVISOR}
    with log.open("ab") as output:  # it goes to the background by itself, so this returns at once
        done = subprocess.run(
            arguments, check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
    if done.returncode != 0:
        raise TransientError(f"The supervisor does not start: {last_line(log)}")


def wait_up(home: Home, supervisor: Identity | None, timeout: float, watch: Watcher | None) -> StackState:
    """Wait until the stack is up, or tell why it is not."""
    deadline = time.monotonic() + timeout
    while True:
        state = current_state(home)
        if state is not None:
            if watch:
                watch(state)
            if state.phase == "running":
                return state
            supervisor = state.supervisor
        gone = supervisor is not None and not supervisor.alive()
        if gone and (state := current_state(home)) is not None and state.phase != "running":
            _raise_failure(home, state)
        if time.monotonic() > deadline:
            waiting = [unit.name for unit in state.units if unit.phase in {"waiting", "starting"}] if state else []
            raise TransientError(
                f"The stack was not up after {timeout:g} s; it waits for {', '.join(waiting) or 'its supervisor'}. "
                "It goes on starting; see `tickerstream status` and `tickerstream logs`."
            )
        time.sleep(POLL_SECONDS)


def _raise_failure(home: Home, state: StackState) -> None:
    message = state.message or f"the supervisor was lost: {last_line(home.log(SUPERVISOR))}"
    failed_job = any(unit.kind == "job" and unit.last_exit == 2 for unit in state.units)
    error: type[TickerstreamError] = ConfigurationError if failed_job else TransientError
    raise error(f"The stack did not start, and was stopped: {message} (more with `tickerstream logs`)")


def wait_stopped(home: Home, supervisor: Identity, watch: Watcher | None) -> bool:
    """Wait until the supervisor is gone; tell whether that came true in time."""
    deadline = time.monotonic() + STOP_SECONDS
    while supervisor.alive():
        state = current_state(home)
        if watch and state is not None:
            watch(state)
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def request(home: Home, supervisor: Identity, what: dict[str, object]) -> None:
    """Leave a request for the supervisor, with the settings of our environment, and wake it."""
    text = json.dumps({**what, "settings": given_settings(home)})
    write_atomic(home.requests / f"{time.time_ns()}-{os.getpid()}.json", text, mode=0o600)
    send_signal(supervisor, signal.SIGHUP)


def send_signal(identity: Identity, number: int) -> None:
    """Send a signal to a process if it still runs."""
    process = identity.process()
    try:
        if process is not None:
            process.send_signal(number)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise ConfigurationError(
            "The stack belongs to another user; run the command as the one who started it."
        ) from None


def current_state(home: Home) -> StackState | None:
    """Return what the supervisor recorded last."""
    return load_state(home.state_file)
