"""The pinned jars of the Java servers: fetched once into a cache, checked by sha256, complete or not there at all."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from infra.embedded.files import exclusive
from shared.errors import ConfigurationError, TransientError

PARALLEL_DOWNLOADS = 8
TIMEOUT_SECONDS = 30
ATTEMPTS = 3
PAUSE_SECONDS = 1.0
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned jar.

    Attributes:
        coordinate: Maven's group:artifact:version.
        file: Name of the file.
        size: Bytes.
        sha256: Digest of the whole file, hexadecimal.
    """

    coordinate: str
    file: str
    size: int
    sha256: str


class Progress(Protocol):
    """Who wants to know how a download goes. Calls come from several threads."""

    def begin(self, what: str, total_bytes: int) -> None:
        """Tell that `total_bytes` of `what` are about to be fetched."""
        ...

    def advance(self, count: int) -> None:
        """Tell that `count` more bytes are here."""
        ...

    def end(self) -> None:
        """Tell that it is over, well or not."""
        ...


class NoProgress:
    """A progress that nobody looks at."""

    def begin(self, what: str, total_bytes: int) -> None:
        """Do nothing."""

    def advance(self, count: int) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


Fetch = Callable[[Jar, Path, Callable[[int], None]], None]


def pinned_jars() -> dict[str, tuple[Jar, ...]]:
    """Return the jars of each server, as pinned in jars.json."""
    raw = json.loads(files("infra.embedded").joinpath("jars.json").read_text(encoding="utf-8"))
    return {
        server: tuple(Jar(jar["coordinate"], jar["file"], jar["bytes"], jar["sha256"]) for jar in jars)
        for server, jars in raw.items()
    }


def class_path(cache: Path, server: str) -> tuple[Path, ...]:
    """Return the jars of `server` in the order of the class path; they need not be there yet."""
    return tuple(cache / "jars" / jar.file for jar in pinned_jars()[server])


def ensure_jars(cache: Path, progress: Progress | None = None, fetch: Fetch | None = None) -> None:
    """Make sure that every pinned jar lies in `cache`, fetching what is missing or damaged.

    Safe for several processes at once: one fetches, the others wait and find the jars there.

    Args:
        cache: Folder of the cache; made where it is missing.
        progress: Told how the download goes.
        fetch: How one jar is fetched; by default from the Maven repositories that jgo is set up with.

    Raises:
        TransientError: A download failed; one line says which, why, and what to do.
        ConfigurationError: What was downloaded is not what was pinned.
    """
    wanted = sorted({jar for jars in pinned_jars().values() for jar in jars}, key=lambda jar: -jar.size)
    folder = cache / "jars"
    if not any(_is_missing(folder, jar) for jar in wanted):
        return
    with exclusive(cache / "jars.lock"):
        missing = [jar for jar in wanted if _is_missing(folder, jar)]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            _fetch_all(missing, folder, progress or NoProgress(), fetch)


def _is_missing(folder: Path, jar: Jar) -> bool:
    """Tell whether `jar` is absent or not what was pinned; hashing all of them takes some 50 ms."""
    path = folder / jar.file
    try:
        return path.stat().st_size != jar.size or _digest(path) != jar.sha256
    except FileNotFoundError:
        return True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_all(missing: list[Jar], folder: Path, progress: Progress, fetch: Fetch | None) -> None:
    progress.begin("Java servers' jars", sum(jar.size for jar in missing))
    beside = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))
    try:
        with _fetcher(fetch) as use, ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
            jobs = [pool.submit(_fetch_one, jar, beside, folder, use, progress.advance) for jar in missing]
            try:
                for job in jobs:
                    job.result()
            finally:
                for job in jobs:
                    job.cancel()
    finally:
        progress.end()
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _fetcher(fetch: Fetch | None) -> Iterator[Fetch]:
    if fetch is not None:
        yield fetch
        return
    from infra.embedded.maven import MavenRepositories  # only a first start needs it, and it takes a moment to import

    with closing(MavenRepositories(TIMEOUT_SECONDS, CHUNK_BYTES)) as repositories:
        yield repositories.fetch


def _fetch_one(jar: Jar, beside: Path, folder: Path, fetch: Fetch, advance: Callable[[int], None]) -> None:
    part = beside / jar.file
    for attempt in range(1, ATTEMPTS + 1):
        counted = _Counted(advance)
        try:
            fetch(jar, part, counted.advance)
        except OSError as error:
            counted.take_back()
            if attempt == ATTEMPTS:
                raise TransientError(
                    f"Could not download {jar.file} ({jar.coordinate}): {_short(error)}. "
                    "Check the network or the proxy settings and run the command again; what is complete is kept."
                ) from error
            time.sleep(PAUSE_SECONDS * attempt)
            continue
        break
    if (found := _digest(part)) != jar.sha256:
        raise ConfigurationError(
            f"{jar.file} ({jar.coordinate}) is not the pinned file: its sha256 is {found}, not {jar.sha256}. "
            "It was refused; check which Maven repository or mirror jgo is set up with."
        )
    part.replace(folder / jar.file)


class _Counted:
    """Counts what one attempt reported, so that a failed attempt can be taken back."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._count = 0

    def advance(self, count: int) -> None:
        self._count += count
        self._advance(count)

    def take_back(self) -> None:
        self._advance(-self._count)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
