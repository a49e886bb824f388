"""A whole embedded stack with something in it, for all tests of the command."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.__main__ import app
from infra.embedded import stack
from infra.embedded.addresses import Addresses, addresses
from infra.embedded.layout import Home
from infra.embedded.services import LAKE_SERVICES
from tests.cli.source_csv import NAIVE_ZONE, Written, write_source


@dataclass(frozen=True)
class Command:
    """The command on one home, in this process."""

    home: Home

    def __call__(self, *arguments: str) -> Result:
        """Run it; output and errors are kept apart."""
        return run_command(*arguments, "--home", str(self.home.root))

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run it with --json, hold it to an exit code, return its document."""
        result = self(*arguments, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)


def run_command(*arguments: str) -> Result:
    """Run the command without a home; an error that it does not handle is raised here."""
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@dataclass(frozen=True)
class Demo:
    """A stack that is up and holds what a demo on files, and one on the simulated exchange, left."""

    command: Command
    addresses: Addresses
    source: Written
    of_files: dict[str, Any]
    simulated: dict[str, Any]


@pytest.fixture(scope="session")
def demo(
    new_home: Callable[[], AbstractContextManager[Home]],
    jar_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Demo]:
    """Two small demos, as far as the lake, on one stack, which stays up; tests must not change what is in its lake."""
    source = write_source(tmp_path_factory.mktemp("source") / "bars")
    reports = tmp_path_factory.mktemp("reports")
    with new_home() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TICKERSTREAM_CACHE", str(jar_cache))
        patch.setenv("LAKE_FLUSH_SECONDS", "1")
        command = Command(home)
        try:
            stack.start(home, stack.Wanted(LAKE_SERVICES))
            files, made = reports / "files.json", reports / "made.json"
            bars = ("--bars", str(source.folder), "--timezone", NAIVE_ZONE)
            assert command("demo", "--once", "--until", "lake", *bars, "--report", str(files)).exit_code == 0
            small = ("--tickers", "3", "--sessions", "5", "--seed", "11")
            assert command("demo", "--once", "--until", "lake", *small, "--report", str(made)).exit_code == 0
            of_files, simulated = json.loads(files.read_text()), json.loads(made.read_text())
            yield Demo(command, addresses(home), source, of_files, simulated)
        finally:
            stack.stop(home)
