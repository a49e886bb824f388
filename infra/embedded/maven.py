"""Download single jars from the Maven repositories that jgo knows (its default, or those of its configuration file)."""

from collections.abc import Callable
from pathlib import Path

import requests
from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from infra.embedded.jars import Jar


class MavenRepositories:
    """The repositories of this machine, over connections that are kept open between jars.

    jgo's own download opens a connection for each file and leaves half a file behind when it breaks off; so only
    its knowledge of repositories and of their layout is used.

    Args:
        timeout: Seconds to wait for a connection or for the next bytes.
        chunk: Bytes to read at a time.
    """

    def __init__(self, timeout: float, chunk: int) -> None:
        self._timeout = timeout
        self._chunk = chunk
        self._session = requests.Session()
        self._context = MavenContext(
            repo_cache=Path("unused"), remote_repos=GlobalSettings.load().repositories or None, offline=True
        )

    def fetch(self, jar: Jar, target: Path, advance: Callable[[int], None]) -> None:
        """Download `jar` to `target` from the first repository that has it.

        Raises:
            OSError: No repository answered with the file.
        """
        group, artifact, version = jar.coordinate.split(":")
        folder = self._context.project(group, artifact).at_version(version).path_prefix.as_posix()
        try:
            self._fetch(f"{folder}/{jar.file}", target, advance)
        except requests.RequestException as error:
            raise OSError(_innermost(error)) from error

    def _fetch(self, path: str, target: Path, advance: Callable[[int], None]) -> None:
        refusals = []
        for name, base in self._context.remote_repos.items():
            with self._session.get(f"{base}/{path}", stream=True, timeout=self._timeout) as answer:
                if answer.status_code != requests.codes.ok:
                    refusals.append(f"repository {name!r} answered {answer.status_code}")
                    continue
                with target.open("wb") as file:
                    for block in answer.iter_content(self._chunk):
                        file.write(block)
                        advance(len(block))
                return
        raise OSError("; ".join(refusals) or "no Maven repository is set up")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _innermost(error: BaseException) -> str:
    """Return what went wrong at the bottom, without the address and the retries that libraries wrap around it."""
    reason: BaseException = error
    while isinstance(inner := getattr(reason, "reason", next(iter(reason.args), None)), BaseException):
        reason = inner
    return f"{type(reason).__name__}: {reason}"
