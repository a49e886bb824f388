"""Processes by identity: a pid alone may be somebody else's after a reboot, a pid with its creation time is not."""

import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# Every process of a stack carries its home and name in its environment, so that orphans are found without any file.
HOME_VARIABLE = "TICKERSTREAM_HOME"
NAME_VARIABLE = "TICKERSTREAM_PROCESS"


@dataclass(frozen=True, slots=True)
class Identity:
    """One process that cannot be taken for a later one with the same pid.

    Attributes:
        pid: Process id.
        created: When it was created, seconds since the epoch, as the kernel tells.
    """

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """Return the process if it still runs, else None. A zombie does not run."""
        try:
            process = psutil.Process(self.pid)
            # The kernel counts in hundredths of a second; a clock step moves the boot time by which they are shown.
            if abs(process.create_time() - self.created) > 2.0 or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process

    def alive(self) -> bool:
        """Tell whether it still runs."""
        return self.process() is not None


def identify(pid: int) -> Identity:
    """Return the identity of the process that has `pid` now; a process that is gone gets one that is never alive."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return Identity(pid, 0.0)


def spawn(
    arguments: Sequence[str | Path], log: Path, environment: Mapping[str, str], user: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, its output appended to `log`.

    Args:
        arguments: The program and its arguments.
        log: File that receives standard output and error.
        environment: The whole environment.
        user: System user and group id to run as; None = ours.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
            cwd=None if user is None else "/",
            user=user,
            group=user_group(user),
            extra_groups=None if user is None else [],
        )


def user_group(user: int | None) -> int | None:
    """Return the primary group id of the system user with id `user`."""
    if user is None:
        return None
    import pwd

    return pwd.getpwuid(user).pw_gid


def stop_process(identity: Identity, stop_signal: int, grace: float) -> bool:
    """Ask a process to end, wait up to `grace` seconds, then kill it.

    Returns:
        Whether it ended by itself; False = it had to be killed.
    """
    process = identity.process()
    if process is None:
        return True
    try:
        process.send_signal(stop_signal)
        process.wait(grace)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        _kill(process)
        return False
    return True


def orphans(home: Path) -> list[tuple[str, Identity]]:
    """Return name and identity of every process that was started for the stack in `home` and still runs."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            if environment.get(HOME_VARIABLE) != str(home) or process.status() == psutil.STATUS_ZOMBIE:
                continue
            name = environment.get(NAME_VARIABLE)
            if name and process.pid != os.getpid():
                found.append((name, Identity(process.pid, process.create_time())))
        except (psutil.Error, OSError):
            continue
    return found


def wait_gone(identities: Iterable[Identity], seconds: float) -> bool:
    """Wait up to `seconds` until none of the processes runs any more; tell whether that came true."""
    deadline = time.monotonic() + seconds
    waiting = list(identities)
    while waiting := [identity for identity in waiting if identity.alive()]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
        process.wait(10)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        pass
