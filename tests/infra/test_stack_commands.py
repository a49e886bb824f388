"""`tickerstream up, down, restart, status, logs` as a person types them: in a pipe, with exit codes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import stack as commands
from cli.app import new_app
from infra.embedded import stack
from infra.embedded.layout import Home
from infra.embedded.orphans import find_orphans


@dataclass(frozen=True)
class Terminal:
    """Runs the command in one home."""

    home: Home

    def run(self, *arguments: str, given: str | None = None) -> tuple[int, str]:
        app = new_app()
        commands.register(app)
        environment = {"TICKERSTREAM_CACHE": str(self.home.cache), "TICKERSTREAM_HOME": str(self.home.root)}
        result = CliRunner().invoke(app, list(arguments), input=given, env=environment)
        return result.exit_code, result.output


@pytest.fixture
def terminal(home: Home) -> Iterator[Terminal]:
    yield Terminal(home)
    stack.stop(home)
    assert find_orphans(home) == []


def test_commands_without_a_stack_say_so(terminal: Terminal) -> None:
    assert terminal.run("status") == (
        1,
        f"{terminal.home.root}: not up; start it with `{terminal.home.command('up')}`\n",
    )
    assert terminal.run("down") == (0, f"nothing is up in {terminal.home.root}\n")
    code, text = terminal.run("restart", "kafka")
    assert (code, "is not up; start it with" in text) == (2, True)
    code, text = terminal.run("logs")
    assert (code, "There are no logs" in text) == (2, True)
    code, text = terminal.run("up", "--service", "nonsense")
    assert (code, "There is no service called nonsense" in text) == (2, True)


def test_stack_started_by_command_is_shown_and_stopped(terminal: Terminal) -> None:
    code, text = terminal.run("up", "--only", "servers")
    assert code == 0, text
    assert "kafka running on port" in text
    code, text = terminal.run("up", "--only", "servers")
    assert (code, text) == (0, f"already up in {terminal.home.root}\n")

    code, text = terminal.run("status")
    assert code == 0
    heading, *rows = text.splitlines()[1:]
    assert heading.split("\t")[:4] == ["process", "state", "pid", "port"]
    assert [row.split("\t")[:2] for row in rows[:3]] == [[name, "running"] for name in ("postgres", "kafka", "mongo")]
    code, text = terminal.run("status", "--json")
    assert (code, json.loads(text)["healthy"]) == (0, True)

    assert terminal.run("restart", "mongo") == (0, "mongo runs again\n")
    code, text = terminal.run("logs", "kafka", "-n", "1")
    assert (code, len(text.splitlines())) == (0, 1)
    assert "Kafka Server started" in terminal.run("logs", "kafka")[1]
    code, text = terminal.run("down")
    assert (code, text.startswith("stopped in")) == (0, True)


def test_wipe_asks_first_and_keeps_the_data_on_no(terminal: Terminal) -> None:
    kept = terminal.home.lake / "object"
    kept.write_text("data", encoding="utf-8")
    code, _ = terminal.run("down", "--wipe", given="n\n")
    assert (code, kept.exists()) == (1, True)
    code, _ = terminal.run("down", "--wipe", "--yes")
    assert (code, kept.exists()) == (0, False)


def test_home_given_by_option_wins(terminal: Terminal, tmp_path: Path) -> None:
    code, text = terminal.run("status", "--home", str(tmp_path))
    assert (code, text.startswith(f"{tmp_path}: not up; ")) == (1, True)
