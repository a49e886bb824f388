"""The logs of the stack: one file a process, rotated by size when the process starts."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROTATE_BYTES = 8 << 20
KEPT = 3
TAIL_BYTES = 1 << 20
FOLLOW_SECONDS = 0.2


def rotate(log: Path, limit: int = ROTATE_BYTES) -> None:
    """Move a log of more than `limit` bytes to `<name>.1`, the older ones one further; the oldest goes."""
    if not log.exists() or log.stat().st_size <= limit:
        return
    for number in range(KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    log.replace(log.with_name(f"{log.name}.1"))


def tail(log: Path, count: int) -> list[str]:
    """Return the last `count` lines (of the last MiB); none where there is no log."""
    if count <= 0:
        return []
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-count:]


def last_line(log: Path) -> str:
    """Return the last line that is not empty, or `no output`."""
    for line in reversed(tail(log, 50)):
        if line.strip():
            return line.strip()[:500]
    return "no output"


def follow(logs: dict[str, Path], still: Callable[[], bool]) -> Iterator[tuple[str, str]]:
    """Yield name and line of whatever is added to the logs from now on, for as long as `still()` holds.

    A log that is rotated or made anew is read on from its start; a log that appears later is read from its start.
    """
    places = {name: (log.stat().st_ino, log.stat().st_size) for name, log in logs.items() if log.exists()}
    while still():
        quiet = True
        for name, log in logs.items():
            lines, places[name] = _added(log, places.get(name, (0, 0)))
            for line in lines:
                quiet = False
                yield name, line
        if quiet:
            time.sleep(FOLLOW_SECONDS)


def _added(log: Path, place: tuple[int, int]) -> tuple[list[str], tuple[int, int]]:
    """Return the whole lines after `place` (inode, offset) and the place after them."""
    try:
        with log.open("rb") as file:
            inode = log.stat().st_ino
            offset = place[1] if inode == place[0] and file.seek(0, 2) >= place[1] else 0
            file.seek(offset)
            block = file.read(TAIL_BYTES)
    except FileNotFoundError:
        return [], place
    whole = block[: block.rfind(b"\n") + 1] or (block if len(block) == TAIL_BYTES else b"")
    return whole.decode("utf-8", "replace").splitlines(), (inode, offset + len(whole))
