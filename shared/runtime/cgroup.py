"""What the kernel lets this container have, and what it uses of it: control groups of version 2 or 1, where present."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOUNT: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")
_NO_LIMIT: Final = 1 << 60
"""Version 1 writes the largest number of pages where there is no limit."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Limits and use; None where there is no limit, or the kernel does not tell.

    Attributes:
        memory_limit: Bytes.
        memory: Bytes in use, without the page cache that can be taken back at once.
        cpu_limit: Processors.
        throttled: Seconds that it waited because of `cpu_limit`.
        pids_limit: Processes and threads.
        pids: Processes and threads that there are.
    """

    memory_limit: int | None = None
    memory: int | None = None
    cpu_limit: float | None = None
    throttled: float | None = None
    pids_limit: int | None = None
    pids: int | None = None


def read_usage(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> Usage:
    """Return what the control group of this process says; inside a container the mount shows the container's own."""
    paths = _paths(membership)
    if (mount / "cgroup.controllers").is_file():
        return _version_2(_folder(mount, paths.get("", "/")))
    return _version_1(lambda controller: _folder(mount / controller, paths.get(controller, "/")))


def _version_2(folder: Path) -> Usage:
    quota, _, period = (_text(folder / "cpu.max") or "max").partition(" ")
    usage, cache = _number(folder / "memory.current"), _stat(folder / "memory.stat", "inactive_file")
    throttled = _stat(folder / "cpu.stat", "throttled_usec")
    return Usage(
        memory_limit=_number(folder / "memory.max"),
        memory=_less(usage, cache),
        cpu_limit=int(quota) / int(period) if quota.isdigit() and period.isdigit() else None,
        throttled=None if throttled is None else throttled / 1e6,
        pids_limit=_number(folder / "pids.max"),
        pids=_number(folder / "pids.current"),
    )


def _version_1(folder: Callable[[str], Path]) -> Usage:
    memory, cpu, pids = folder("memory"), folder("cpu"), folder("pids")
    limit, quota = _number(memory / "memory.limit_in_bytes"), _number(cpu / "cpu.cfs_quota_us")
    period, throttled = _number(cpu / "cpu.cfs_period_us"), _stat(cpu / "cpu.stat", "throttled_time")
    cache = _stat(memory / "memory.stat", "total_inactive_file")
    return Usage(
        memory_limit=limit if limit is not None and limit < _NO_LIMIT else None,
        memory=_less(_number(memory / "memory.usage_in_bytes"), cache),
        cpu_limit=quota / period if quota and period and quota > 0 else None,
        throttled=None if throttled is None else throttled / 1e9,
        pids_limit=_number(pids / "pids.max"),
        pids=_number(pids / "pids.current"),
    )


def _paths(membership: Path) -> dict[str, str]:
    """Return the path of our group by controller; that of version 2 has the name ''."""
    found: dict[str, str] = {}
    for line in (_text(membership) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _folder(mount: Path, path: str) -> Path:
    """Return our group's folder; where the mount shows only our own group, that is the mount itself."""
    own = mount / path.lstrip("/")
    return own if own.is_dir() else mount


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path) or ""
    return int(text) if text.isdigit() else None


def _stat(path: Path, name: str) -> int | None:
    values = dict(line.split(maxsplit=1) for line in (_text(path) or "").splitlines())
    return int(values[name]) if name in values else None


def _less(usage: int | None, cache: int | None) -> int | None:
    return None if usage is None else max(0, usage - (cache or 0))
