"""Builds the MinIO server from its Go module, once: `python -m infra.minio` (`make minio`); needs Go 1.26+."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from infra.embedded.settings import resolve_home
from shared.errors import ConfigurationError, TransientError

MODULE: Final = "github.com/minio/minio"
VERSION: Final = "v0.0.0-20260212201848-7aac2a2c5b7c"
OLDEST_GO: Final = (1, 26)
BUILD_SECONDS: Final = 1800


def minio_path(cache: Path) -> Path:
    """Return where the server is, once built, below the cache folder."""
    return cache / "minio" / VERSION / "minio"


def go_version() -> tuple[int, int] | None:
    """Return Go's (major, minor), or None where there is no Go."""
    go = shutil.which("go")
    if not go:
        return None
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/").stdout
    numbers = re.match(r"go(\d+)\.(\d+)", told)
    return (int(numbers[1]), int(numbers[2])) if numbers else None


def build_minio(cache: Path) -> Path:
    """Return the server's path, after building it (about three minutes, 112 MB) unless it is there.

    Raises:
        ConfigurationError: there is no Go that is new enough.
        TransientError: the build failed; its last line is in the text.
    """
    target = minio_path(cache)
    if target.exists():
        return target
    found = go_version()
    if found is None or found < OLDEST_GO:
        have = "none" if found is None else ".".join(map(str, found))
        raise ConfigurationError(f"MinIO needs Go {'.'.join(map(str, OLDEST_GO))} or newer; found: {have}. Install Go.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _install(Path(folder))
        Path(folder, "minio").replace(target)
    return target


def _install(folder: Path) -> None:
    command = ["go", "install", "-ldflags=-s -w", f"{MODULE}@{VERSION}"]
    environment = {**os.environ, "GOBIN": str(folder)}
    try:
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise TransientError(f"MinIO was not built within {BUILD_SECONDS} s; run it again, it goes on.") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TransientError(f"MinIO could not be built: {last}. Is the Go module proxy reachable (go env GOPROXY)?")


def main() -> int:
    """Build; return 0, 1 (the build failed) or 2 (no Go)."""
    try:
        sys.stdout.write(f"{build_minio(resolve_home().cache)}\n")
    except TransientError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except ConfigurationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
