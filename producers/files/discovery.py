"""Which files a path holds, in a stable order, and what tells one state of them from another."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producers.source import Unit
from shared.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file. `relative` is its path below the folder that was asked for, with slashes."""

    path: Path
    relative: str
    size: int
    modified_ns: int

    @property
    def origin(self) -> str:
        """Return how dead letters and lines for people name it."""
        return f"files:{self.relative}"

    @property
    def unit(self) -> Unit:
        """Return the piece of a run that it is."""
        return Unit(self.relative, self.size)

    def head(self, length: int) -> bytes:
        """Return its first `length` bytes."""
        with self.path.open("rb") as file:
            return file.read(length)


def find_files(root: Path) -> tuple[SourceFile, ...]:
    """Return `root` itself, or all files below it, sorted by relative path. Hidden ones are left out.

    Raises:
        ConfigurationError: there is no such path, or no file in it.
    """
    if root.is_file():
        return (_source_file(root, root.name),)
    if not root.is_dir():
        raise ConfigurationError(f"there is no file or folder {root}. Give the path of your data.")
    found = []
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if not any(part.startswith(".") for part in relative.parts) and path.is_file():
            found.append(_source_file(path, relative.as_posix()))
    if not found:
        raise ConfigurationError(f"the folder {root} holds no files. Give the path of your data.")
    return tuple(sorted(found, key=lambda file: file.relative))


def _source_file(path: Path, relative: str) -> SourceFile:
    stat = path.stat()
    return SourceFile(path, relative, stat.st_size, stat.st_mtime_ns)


def identity_of(files: Sequence[SourceFile]) -> Mapping[str, Any]:
    """Return what changes when a file is added, taken away, or written to: for the run id."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative}\0{file.size}\0{file.modified_ns}\n".encode())
    return {"files": len(files), "bytes": sum(f.size for f in files), "digest": digest.hexdigest()[:32]}


def place_of(root: Path) -> str:
    """Return a short stable name of a path: its last part and a digest of the whole."""
    return f"{root.name}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]}"
