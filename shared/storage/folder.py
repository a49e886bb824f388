"""The lake in a folder: buckets are folders, objects files; a write is compare and rename under a short lock."""

import contextlib
import errno
import hashlib
import os
import random
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from shared.errors import ConfigurationError, ContractError, TransientError
from shared.ports import ObjectInfo, PreconditionFailedError, StoredObject
from shared.storage.durable_files import remove_orphans, sync_folder, temporary_file, try_lock
from shared.storage.names import check_bucket, check_name, check_prefix
from shared.storage.probe import prove_conditions

TEMPORARY: Final = ".tmp"
LOCKS: Final = ".locks"
_STRIPES: Final = 64


class FolderStore:
    """An ObjectStore in a folder of a local file system; safe for threads and processes at once.

    The etag is a digest of the content. A writer holds an flock on its temporary file, so that one whose lock is free
    belongs to a dead writer and is removed by the next store that opens the folder.

    Args:
        root: The folder; `ensure_bucket` makes it.
        lock_seconds: How long a write waits for another writer of the same object before it is a TransientError.
    """

    def __init__(self, root: Path, lock_seconds: float = 10.0) -> None:
        self._root = root.absolute()
        self._lock_seconds = lock_seconds
        with self._explained("open", self._root):
            for folder in self._root.glob(f"*/{TEMPORARY}"):
                remove_orphans(folder)

    def ensure_bucket(self, bucket: str) -> bool:
        folder = self._root / check_bucket(bucket)
        with self._explained("make", folder):
            made = not folder.is_dir()
            for part in (TEMPORARY, LOCKS):
                (folder / part).mkdir(parents=True, exist_ok=True)
            for upper in (folder, self._root, self._root.parent):
                sync_folder(upper)
        return made

    def get(self, bucket: str, name: str) -> StoredObject | None:
        path = self._path(bucket, name)
        with self._explained("read", path):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None
            # A writer renames first and syncs after: nobody may act on what a power cut could still take back.
            self._sync_up(path, bucket)
        return StoredObject(data, _etag(data))

    def put(self, bucket: str, name: str, data: bytes, *, expected: str | None) -> str:
        path = self._path(bucket, name)
        with self._explained("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_file(self._root / bucket / TEMPORARY, data) as temporary, self._locked(bucket, name):
                if _current_etag(path) != expected:
                    raise PreconditionFailedError(f"{bucket}/{name} was written by somebody else")
                temporary.rename(path)
            self._sync_up(path, bucket)
        return _etag(data)

    def list(self, bucket: str, prefix: str = "") -> Iterator[ObjectInfo]:
        top = self._bucket(bucket)
        with self._explained("list", top):
            found = list(_walk(top, check_prefix(prefix)))
        yield from sorted(found, key=lambda info: info.name)

    def probe(self, bucket: str) -> None:
        prove_conditions(self, bucket, f"the folder {self._root} (LAKE_URL)")

    def _bucket(self, bucket: str) -> Path:
        folder = self._root / check_bucket(bucket)
        with self._explained("open", folder):
            made = (folder / LOCKS).is_dir()
        if not made:
            raise ConfigurationError(
                f"the lake folder {self._root} (LAKE_URL) has no bucket {bucket}; run `python -m infra.provision`."
            )
        return folder

    def _path(self, bucket: str, name: str) -> Path:
        return self._bucket(bucket) / check_name(name)

    def _sync_up(self, path: Path, bucket: str) -> None:
        """Make the entries of the file and of each folder down to it durable."""
        top = self._root / bucket
        folder = path.parent
        sync_folder(folder)
        while folder != top:
            folder = folder.parent
            sync_folder(folder)

    @contextlib.contextmanager
    def _locked(self, bucket: str, name: str) -> Iterator[None]:
        """Hold the lock of the object's stripe; a wait that is bounded, for the holder may be a stopped process."""
        stripe = zlib.crc32(name.encode()) % _STRIPES
        deadline = time.monotonic() + self._lock_seconds
        with (self._root / bucket / LOCKS / f"{stripe:02d}").open("ab") as file:
            while not try_lock(file):
                if time.monotonic() > deadline:
                    raise TransientError(
                        f"another writer has held the lock of {bucket}/{name} for {self._lock_seconds:g} s; "
                        "if it is a stopped process, continue or end it."
                    )
                time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311  jitter, not a secret
            yield

    @contextlib.contextmanager
    def _explained(self, action: str, path: Path) -> Iterator[None]:
        try:
            yield
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise ContractError(f"cannot {action} {path}: an object and a folder would have the same name.") from error
        except OSError as error:
            raise TransientError(f"cannot {action} {path}: {_advice(error, self._root)}") from error


def _advice(error: OSError, root: Path) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return f"no space is left under {root} ({error.strerror}); free some and it goes on."
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"no right to it ({error.strerror}); give the lake folder to the user that runs the services."
        case errno.EMFILE | errno.ENFILE:
            return f"{error.strerror}; raise the limit of open files (ulimit -n)."
        case _:
            return f"{error.strerror or error}; check the disk that holds {root}."


def _etag(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _current_etag(path: Path) -> str | None:
    try:
        return _etag(path.read_bytes())
    except FileNotFoundError:
        return None


def _walk(top: Path, prefix: str) -> Iterator[ObjectInfo]:
    """Yield the objects under `top` whose name begins with `prefix`, in any order."""
    start = top / prefix.rpartition("/")[0]
    if not start.is_dir():
        return
    for folder, subfolders, files in os.walk(start, onerror=_raise):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for file in files:
            path = Path(folder, file)
            name = path.relative_to(top).as_posix()
            if not file.startswith(".") and name.startswith(prefix):
                about = path.stat()
                yield ObjectInfo(name, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))


def _raise(error: OSError) -> NoReturn:
    raise error
