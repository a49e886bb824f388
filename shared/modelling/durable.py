"""Folders that appear whole: written beside under a lock that tells whether the writer lives, synced, renamed."""

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

_BESIDE = ".part"


@contextlib.contextmanager
def writing_folder(parent: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Yield a synced folder with the files, locked by us; it is removed unless it was renamed.

    Raises:
        OSError: the volume is full or unwell.
    """
    folder, handle = _create_locked(parent)
    try:
        for name, data in files.items():
            _write_synced(folder / name, data)
        os.fsync(handle)
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def _create_locked(parent: Path) -> tuple[Path, int]:
    while True:
        folder = parent / f".{os.getpid()}-{uuid.uuid4().hex}{_BESIDE}"
        folder.mkdir()
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # remove_dead came between making and opening
        fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists():
            return folder, handle
        os.close(handle)  # remove_dead came between opening and locking


def rename_folder(folder: Path, target: Path) -> None:
    """Give a folder its name, durable on return; what had the name is moved away and removed.

    Raises:
        OSError: the volume is unwell.
    """
    damaged = target.with_name(f".{uuid.uuid4().hex}{_BESIDE}")
    with contextlib.suppress(FileNotFoundError):
        target.rename(damaged)
    folder.rename(target)
    _sync(target.parent)
    shutil.rmtree(damaged, ignore_errors=True)


def remove_dead(parent: Path) -> None:
    """Remove what writers that are dead left beside: folders whose lock nobody holds."""
    for folder in parent.glob(f".*{_BESIDE}"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            except BlockingIOError:
                continue  # its writer lives
            finally:
                os.close(handle)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
