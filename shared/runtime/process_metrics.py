"""Tells Prometheus what every process tells: who it is, its state, and what it uses of what it may."""

import shutil
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, get_args

import psutil

from shared.metrics import process
from shared.metrics.instruments import Values
from shared.runtime.cgroup import read_usage
from shared.runtime.heartbeat import Heartbeat, State
from shared.runtime.usage import resident_bytes

_STATES: Final[tuple[State, ...]] = get_args(State)
_LIMITS: Final = (
    (process.MEMORY_LIMIT, "memory_limit"),
    (process.MEMORY, "memory"),
    (process.CPU_LIMIT, "cpu_limit"),
    (process.CPU_THROTTLED, "throttled"),
    (process.PIDS_LIMIT, "pids_limit"),
    (process.PIDS, "pids"),
)
_volumes: Final[dict[str, Path]] = {}


def tell_process(name: str, heartbeat: Heartbeat) -> None:
    """Tell of this process from now on."""
    process.INFO.labels(name, _release()).set(1)
    process.STATE.tell(lambda: _states(heartbeat))
    process.HEARTBEAT.tell(lambda: {(): heartbeat.last.at.timestamp()} if heartbeat.last else {})
    process.TREE_MEMORY.tell(lambda: _known(resident_bytes(psutil.Process())))
    for gauge, field in _LIMITS:
        gauge.tell(partial(_limit, field))
    process.DISK_FREE.tell(lambda: _disks("free"))
    process.DISK_SIZE.tell(lambda: _disks("total"))


def watch_disk(volume: str, path: Path) -> None:
    """Tell from now on how full the file system is that holds `path`, which the services' metrics call `volume`."""
    _volumes[volume] = path


def _states(heartbeat: Heartbeat) -> Values:
    said = heartbeat.last.state if heartbeat.last else None
    return {(state,): float(state == said) for state in _STATES}


def _limit(field: str) -> Values:
    return _known(getattr(read_usage(), field))


def _known(value: float | None) -> Values:
    return {} if value is None else {(): float(value)}


def _disks(field: str) -> Values:
    found: dict[tuple[str, ...], float] = {}
    for volume, path in _volumes.items():
        there = next((one for one in (path, *path.absolute().parents) if one.exists()), None)
        if there is not None:
            found[(volume,)] = float(getattr(shutil.disk_usage(there), field))
    return found


def _release() -> str:
    try:
        return version("tickerstream")
    except PackageNotFoundError:
        return "unknown"
