"""Files that survive: synced temporary files that tell by a lock whether their writer lives, and synced folders."""

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def try_lock(file: BinaryIO) -> bool:
    """Take the file's flock unless somebody has it; return whether it is ours. Closing the file frees it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def temporary_file(folder: Path, data: bytes) -> Iterator[Path]:
    """Yield a synced file with `data`, locked by us; it is removed unless it was renamed."""
    path, file = _create_locked(folder)
    with file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)


def _create_locked(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = folder / f"{os.getpid()}-{uuid.uuid4().hex}.part"
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()  # remove_orphans came between creating and locking


def remove_orphans(folder: Path) -> None:
    """Remove the temporary files whose writer is dead: nobody holds their lock."""
    for path in folder.glob("*.part"):
        with contextlib.suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
            if try_lock(file):
                path.unlink(missing_ok=True)
