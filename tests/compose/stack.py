"""A stack of containers of its own for tests: made by the documented commands, looked at from outside."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from shared.testing.eventually import eventually

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 900


@dataclass(frozen=True)
class Stack:
    """One project of `docker compose`.

    Attributes:
        folder: Where its .env and secrets lie.
        project: Its name, which no other stack of this machine has.
        overrides: Compose files over the project's own one, where this machine cannot run it as it is.
    """

    folder: Path
    project: str
    overrides: tuple[Path, ...] = ()

    @property
    def options(self) -> list[str]:
        """What tells `docker compose` which stack is meant."""
        files = [str(ROOT / "docker-compose.yml"), *map(str, self.overrides)]
        return [
            *("--project-directory", str(ROOT), "--env-file", str(self.folder / ".env"), "-p", self.project),
            *(part for file in files for part in ("-f", file)),
        ]

    def compose(
        self, *arguments: str, given: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run `docker compose`; a failure shows what it said."""
        done = subprocess.run(
            ["docker", "compose", *self.options, "--profile", "simulated", *arguments],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"COMPOSE_PROGRESS": "plain", "BUILDKIT_PROGRESS": "plain"},
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def cli(
        self, *arguments: str, mounts: tuple[str, ...] = (), check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command in a container of its own, as a person does."""
        volumes = [part for mount in mounts for part in ("-v", mount)]
        return self.compose("run", "--rm", "-T", *volumes, "cli", *arguments, check=check)

    def containers(self) -> dict[str, list[dict[str, Any]]]:
        """Return what `docker inspect` says of each container, by service; none of `run`."""
        ids = self.compose("ps", "-aq").stdout.split()
        if not ids:
            return {}
        said = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True).stdout
        found: dict[str, list[dict[str, Any]]] = {}
        for one in json.loads(said):
            labels = one["Config"]["Labels"]
            if labels.get("com.docker.compose.oneoff") != "True":
                found.setdefault(labels["com.docker.compose.service"], []).append(one)
        return found

    def setting(self, name: str) -> str:
        """Return a value of its .env."""
        lines = (self.folder / ".env").read_text().splitlines()
        return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")][-1]

    def get(self, path: str, port: str = "PREDICTOR_PORT") -> Any:
        """Return what the predictor answers (or who else has that port); an AssertionError where it does not."""
        url = f"http://127.0.0.1:{self.setting(port)}{path}"
        try:
            return httpx.get(url, timeout=10).raise_for_status().json()
        except httpx.HTTPError as error:
            raise AssertionError(f"{url}: {error}") from None

    def sql(self, statement: str) -> str:
        """Return what PostgreSQL says to the administrator inside its container."""
        arguments = ("psql", "-U", "admin", "-d", "tickerstream", "-Atc", statement)
        return self.compose("exec", "-T", "postgres", *arguments).stdout.strip()

    def await_healthy(self, seconds: float = 180) -> None:
        """Wait until every container that should last is healthy, and every other one ended well."""

        def well() -> bool:
            unwell = [
                f"{one['Name']}: {one['State']['Status']} {one['State'].get('Health', {}).get('Status', '')}"
                for containers in self.containers().values()
                for one in containers
                if not is_well(one)
            ]
            assert not unwell, unwell
            return True

        eventually(well, seconds=seconds, every=1.0, failing="not all containers are healthy")

    def await_settled(self, seconds: float = 300) -> None:
        """Wait until lake and feature table have everything that the topics have; nothing may be published live."""
        eventually(self._settled, seconds=seconds, every=3.0, failing="lake and features have not caught up")

    def _settled(self) -> bool:
        lake = self.cli("verify", "lake", check=False)
        assert lake.returncode == 0, lake.stdout[-2000:] + lake.stderr[-2000:]
        features = self.cli("verify", "features", check=False)
        assert features.returncode == 0, features.stdout[-2000:] + features.stderr[-2000:]
        return True


def is_well(container: dict[str, Any]) -> bool:
    """Return whether a container is as it should be: healthy, or ended with 0 where it runs once."""
    state = container["State"]
    if container["HostConfig"]["RestartPolicy"]["Name"] == "no":
        return bool(state["Status"] == "exited" and state["ExitCode"] == 0)
    return bool(state["Status"] == "running" and state["Health"]["Status"] == "healthy")
