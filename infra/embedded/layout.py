"""The folders and files of one embedded stack, all below its home."""

import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one stack.

    Attributes:
        root: The home folder, absolute.
        cache: Downloaded jars and the class archives made from them; several homes may share it.
    """

    root: Path
    cache: Path

    def command(self, name: str) -> str:
        """Return the command line that does this to the stack in this home."""
        return f"tickerstream {name} --home {shlex.quote(str(self.root))}"

    @property
    def data(self) -> Path:
        """Return the folder that holds the servers' data."""
        return self.root / "data"

    @property
    def lake(self) -> Path:
        """Return the folder store's root."""
        return self.root / "lake"

    @property
    def models(self) -> Path:
        """Return the model volume: one folder a bundle."""
        return self.root / "models"

    @property
    def logs(self) -> Path:
        """Return the folder of the logs, one a process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Return the folder of what is true only while the stack runs: heartbeats, requests, locks."""
        return self.root / "run"

    @property
    def requests(self) -> Path:
        """Return the folder in which the command leaves requests for the supervisor."""
        return self.run / "requests"

    @property
    def state_file(self) -> Path:
        """Return the file that tells which processes run."""
        return self.root / "state.json"

    @property
    def ports_file(self) -> Path:
        """Return the file that keeps the ports from one start to the next."""
        return self.root / "ports.json"

    @property
    def plan_file(self) -> Path:
        """Return the file that tells a new supervisor what to run."""
        return self.root / "plan.json"

    @property
    def password_file(self) -> Path:
        """Return the file with PostgreSQL's generated password, readable by the owner only."""
        return self.root / "postgres.password"

    def log(self, name: str) -> Path:
        """Return the log of the process called `name`."""
        return self.logs / f"{name}.log"

    def heartbeat(self, name: str) -> Path:
        """Return the file that the service called `name` writes its heartbeat to."""
        return self.run / f"{name}.json"

    def create(self) -> None:
        """Make the folders; what is there stays."""
        for folder in (self.root, self.data, self.lake, self.models, self.logs, self.run, self.requests):
            folder.mkdir(parents=True, exist_ok=True)
