"""One process of the stack, server or service: how it is started, asked for its health, and stopped."""

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import infra
from infra.embedded.layout import Home
from infra.embedded.logs import last_line, rotate
from infra.embedded.processes import HOME_VARIABLE, NAME_VARIABLE, Identity, identify, spawn
from shared.errors import TransientError

POLL_SECONDS = 0.03
# What a server may know of our environment: nothing that would change how it runs, no keys.
SERVER_VARIABLES = frozenset({"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LD_LIBRARY_PATH"})
# What counts for one process alone: of several that listened there, all but one would refuse to start.
NEVER_INHERITED = frozenset({"METRICS_PORT"})


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start.

    Attributes:
        arguments: The program and its arguments.
        environment: Variables on top of the inherited ones.
        user: System user id to run as; None = ours.
    """

    arguments: tuple[str | Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None


def python_module(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line that runs one of our modules in this interpreter, wherever the current folder is."""
    return (sys.executable, "-m", module, *arguments)


def inherited_environment(only: frozenset[str] | None = None) -> dict[str, str]:
    """Return our environment, or of it what is in `only`, with our packages on the path of Python children.

    What is in NEVER_INHERITED is left out.
    """
    shared = os.environ.keys() - NEVER_INHERITED
    inherited = {name: os.environ[name] for name in (shared if only is None else shared & only)}
    ours = str(Path(infra.__file__).resolve().parents[1])
    path = [ours, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**inherited, "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, path))), "PYTHONUNBUFFERED": "1"}


class Unit(ABC):
    """A process of the stack. An object stands for at most one running process at a time.

    Args:
        home: The stack that it belongs to.
        name: What it is called in the status and in its log's name.
        port: Port that it listens on, if any.
    """

    inherits: frozenset[str] | None = None  # names of the variables that it gets of ours; None = all
    stop_signal = signal.SIGTERM
    grace_seconds = 20.0
    healthy_within_seconds = 30.0

    def __init__(self, home: Home, name: str, port: int | None = None) -> None:
        self.home = home
        self.name = name
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._identity: Identity | None = None

    @abstractmethod
    def launch(self) -> Launch:
        """Return what to start."""

    @abstractmethod
    def healthy(self) -> bool:
        """Tell whether the running process does its work."""

    def prepare(self) -> None:  # noqa: B027 (most units have nothing to prepare)
        """Make what the process needs before its first start; what is there stays."""

    def take(self, settings: Mapping[str, str]) -> None:  # noqa: B027 (servers have none)
        """Have these settings from the next start on."""

    @property
    def log(self) -> Path:
        """Return the file that its output goes to."""
        return self.home.log(self.name)

    @property
    def identity(self) -> Identity | None:
        """Return who the last started process is, or None before the first start."""
        return self._identity

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> Identity:
        """Prepare and start the process; its health is another question."""
        self.home.create()
        self.prepare()
        rotate(self.log)
        launch = self.launch()
        marks = {HOME_VARIABLE: str(self.home.root), NAME_VARIABLE: self.name}
        environment = {**inherited_environment(self.inherits), **launch.environment, **marks}
        self._process = spawn(launch.arguments, self.log, environment, launch.user)
        self._identity = identify(self._process.pid)
        return self._identity

    def poll(self) -> int | None:
        """Return the exit code once the process has ended (negative: killed by that signal), else None."""
        return self._process.poll() if self._process else None

    def wait_healthy(self, seconds: float | None = None) -> None:
        """Wait until the process does its work.

        Raises:
            TransientError: It ended, or was not healthy within `seconds`; the text holds its last log line.
        """
        limit = self.healthy_within_seconds if seconds is None else seconds
        deadline = time.monotonic() + limit
        while True:
            code = self.poll()
            if code is not None:  # asked first: whatever answers at our port then is somebody else
                raise TransientError(f"{self.name} ended with {code} while starting: {last_line(self.log)}")
            if self.healthy():
                return
            if time.monotonic() > deadline:
                raise TransientError(f"{self.name} was not healthy after {limit:g} s: {last_line(self.log)}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> bool:
        """Stop the process in good order.

        Returns:
            Whether it ended by itself; False = it had to be killed after `grace_seconds`.
        """
        if self._process is None or self._process.poll() is not None:
            return True
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(self.grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self.stopped()
        return True

    def stopped(self) -> None:  # noqa: B027 (most units have nothing to do)
        """Tidy up after an orderly stop."""

    def ask_to_stop(self) -> None:
        """Tell the process to end, without waiting for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.stop_signal)

    def kill(self) -> None:
        """Kill the process at once (SIGKILL), as a fault would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
