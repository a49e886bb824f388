"""What a process and its children use of the machine."""

import time
from pathlib import Path
from typing import Final

import psutil

MIB: Final = 1 << 20
_CPU_TIMES: Final = ("user", "system", "children_user", "children_system")


def resident_bytes(process: psutil.Process) -> int | None:
    """Return the memory that the process holds; children count with what they do not share. None where it is gone."""
    try:
        rss = int(process.memory_info().rss)
        for child in process.children(recursive=True):
            memory = child.memory_info()
            rss += max(0, memory.rss - getattr(memory, "shared", 0))
    except psutil.Error:
        return None
    return rss


def memory_mib(process: psutil.Process) -> tuple[float | None, float | None]:
    """Return memory now and at most, MiB."""
    rss = resident_bytes(process)
    if rss is None:
        return None, None
    return round(rss / MIB, 1), round(max(rss / MIB, peak_rss_mib(process.pid) or 0.0), 1)


def cpu_seconds(process: psutil.Process) -> float | None:
    """Return processor time in seconds: its own, of children that ended, and of those that run."""
    try:
        times = [process.cpu_times(), *(child.cpu_times() for child in process.children(recursive=True))]
    except psutil.Error:
        return None
    return round(sum(sum(getattr(one, name, 0.0) for name in _CPU_TIMES) for one in times), 1)


def uptime_seconds(process: psutil.Process) -> float:
    """Return how long the process has run."""
    return round(time.time() - process.create_time(), 1)


def peak_rss_mib(pid: int) -> float | None:
    """Return the most memory that the process itself has held (VmHWM), MiB, where the kernel tells."""
    try:
        with Path(f"/proc/{pid}/status").open(encoding="utf-8") as lines:
            peak = next((line.split()[1] for line in lines if line.startswith("VmHWM")), None)
    except OSError:
        return None
    return round(int(peak) / 1024, 1) if peak else None
