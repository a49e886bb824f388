"""Access for the system user that PostgreSQL runs as when we are root: to search our folders, and nothing more."""

import contextlib
import os
import pwd
import stat
import struct
import subprocess
from pathlib import Path

SYSTEM_USER = "pgserver"
ACL = "system.posix_acl_access"
_VERSION = 2
_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY_ID = 0xFFFFFFFF
_SEARCH = 0x01


def server_user() -> int | None:
    """Return the id of the system user to run PostgreSQL as: None = ourselves, unless we are root, whom it refuses.

    The user is made where it is missing; where that is not possible it is `nobody`.
    """
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER).pw_uid
    with contextlib.suppress(OSError, KeyError):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        subprocess.run(command, check=False, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER).pw_uid
    return pwd.getpwnam("nobody").pw_uid


def let_search(folder: Path, user: int) -> list[Path]:
    """Let `user` pass through `folder` and every folder above it, where it cannot yet.

    An access list entry for that one user where the file system has such lists, else the search bit for others. The
    content of the folders stays as unreadable as it was.

    Returns:
        The folders that were changed.
    """
    changed = []
    for level in (folder, *folder.parents):
        found = level.stat()
        if found.st_mode & stat.S_IXOTH or found.st_uid == user or _has_entry(level, user):
            continue
        try:
            _add_entry(level, user)
        except OSError:
            level.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)
        changed.append(level)
    return changed


def let_read(folder: Path) -> None:
    """Let everybody read what lies in `folder`, and execute what its owner may: for programs unpacked as private."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _entries(path: Path) -> list[tuple[int, int, int]]:
    """Return tag, permissions and id of each entry of the access list; of a folder without one, its mode as entries."""
    try:
        raw = os.getxattr(path, ACL)
    except OSError:
        mode = path.stat().st_mode
        return [
            (_OWNER, mode >> 6 & 7, _NOBODY_ID),
            (_GROUP, mode >> 3 & 7, _NOBODY_ID),
            (_OTHER, mode & 7, _NOBODY_ID),
        ]
    return [struct.unpack_from("<HHI", raw, offset) for offset in range(4, len(raw), 8)]


def _has_entry(path: Path, user: int) -> bool:
    entries = _entries(path)
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 7)
    return any(tag == _USER and who == user and permissions & mask & _SEARCH for tag, permissions, who in entries)


def _add_entry(path: Path, user: int) -> None:
    entries = _entries(path)
    kept = [entry for entry in entries if entry[0] != _MASK and entry[::2] != (_USER, user)]
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), None)
    if mask is None:
        mask = next(permissions for tag, permissions, _ in entries if tag == _GROUP)
    kept += [(_USER, _SEARCH, user), (_MASK, mask | _SEARCH, _NOBODY_ID)]
    packed = b"".join(struct.pack("<HHI", *entry) for entry in sorted(kept, key=lambda entry: (entry[0], entry[2])))
    os.setxattr(path, ACL, struct.pack("<I", _VERSION) + packed)
