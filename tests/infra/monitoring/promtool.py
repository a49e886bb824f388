"""Prometheus' own checks of rules and settings, by a program on PATH or in a container of the compose file's image."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
TESTS = ("alerts.test.yml", "alerts_of_days.test.yml")


@dataclass(frozen=True)
class Promtool:
    """A promtool that sees the checkout at `root`."""

    command: tuple[str, ...]
    root: str

    def check_all(self) -> None:
        """Check settings and alerts, and run the tests of the alerts."""
        self._run("check", "config", f"{self.root}/infra/monitoring/prometheus.yml")
        self._run("test", "rules", *(f"{self.root}/tests/infra/monitoring/{name}" for name in TESTS))

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def of_image(image: str) -> Promtool:
    """Return the promtool in an image; the checkout is mounted, and nothing else of the machine."""
    mount = ("-v", f"{ROOT}:/checkout:ro")
    run = ("docker", "run", "--rm", "--network", "none", *mount, "--entrypoint", "promtool", image)
    return Promtool(run, "/checkout")
