"""What the documentation, the help and the messages tell people to type exists, and each command has help and JSON."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cli.__main__ import app
from tests.architecture.test_rules import ROOT, sources, tracked

COMMAND = get_command(app)
CALLED = (r"(?:\.venv/bin/)?tickerstream", "docker compose run --rm cli")
PLACEHOLDER = "SOMETHING"
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


@cache
def pages() -> dict[str, list[str]]:
    """Lines of code blocks (joined where one goes on), and what stands between backticks, by page."""
    found = {}
    for path in tracked("*.md"):
        text = path.read_text()
        blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ").splitlines()
        found[str(path.relative_to(ROOT))] = blocks + quoted(FENCE.sub("", text))
    return found


@cache
def programs() -> dict[str, list[str]]:
    """What stands between backticks in the texts of programs: examples, messages, docstrings."""
    return {
        str(path.relative_to(ROOT)): [code for text in texts_in(path) for code in quoted(text)] for path in sources()
    }


def quoted(text: str) -> list[str]:
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


def texts_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else f" {PLACEHOLDER}" for part in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def said_behind(program: str, told: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Where a program is called and with what words: up to a comment, a pipe, a bracket or more prose."""
    called = re.compile(rf"(?<![\w./-]){program} +([^\s#|;&)].*?)(?=$|, | *[#|;&)])")
    return sorted({(place, words) for place, lines in told.items() for line in lines for words in called.findall(line)})


def resolve(words: list[str]) -> None:
    """Read words as the command reads them, types of values and missing arguments aside.

    Raises:
        typer.TyperException: there is no such option, or it lacks its value.
        LookupError: there is no such command, or it takes fewer arguments.
    """
    command: TyperCommand | TyperGroup | None = COMMAND
    while command is not None:
        _, words, _ = command.make_parser(typer.Context(command)).parse_args(words)
        if not isinstance(command, TyperGroup):
            if more := [word for word in words if word != PLACEHOLDER]:
                raise LookupError(f"it takes no {more}")
            return
        if not words or words[0].isupper():  # COMMAND stands for any
            return
        command, words = command.commands.get(words[0]), words[1:]
    raise LookupError("there is no such command")


def faults(calls: list[tuple[str, str]]) -> list[str]:
    found = []
    for place, words in calls:
        try:
            resolve(shlex.split(words))
        except (typer.TyperException, LookupError) as error:
            found.append(f"{place}: tickerstream {words}: {error}")
    return found


def test_documented_commands_and_their_options_exist() -> None:
    calls = [call for program in CALLED for call in said_behind(program, pages())]
    passed_on = [(place, shlex.split(words)[0]) for place, words in said_behind("make demo", pages())]
    calls += [(place, words.replace("ARGS=", "demo ")) for place, words in passed_on]
    assert {"README.md", "docs/operations.md", "aggregator/README.md"} <= {place for place, _ in calls}
    assert {"verify lake", "demo --once", "backfill --source fred"} <= {words for _, words in calls}
    assert not faults(calls)


def test_commands_in_examples_and_messages_and_their_options_exist() -> None:
    calls = said_behind(CALLED[0], programs())
    assert {"dlq list --class bad_row --each", "down SOMETHING"} <= {words for _, words in calls}
    assert not faults(calls)


@pytest.mark.parametrize(
    "words",
    ["dlq lst", "verify lake --no-such", "lake ls --rows 3", "status AAPL", "topics tail runs -n", "verify all"],
)
def test_command_that_does_not_exist_is_a_fault(words: str) -> None:
    assert faults([("a page", words)])


def test_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    calls = said_behind("make", pages()) + said_behind("make", programs())
    named = {words.split()[0] for _, words in calls}
    assert {"test-compose", "demo", "minio"} <= named <= targets


def leaves(command: TyperCommand | TyperGroup, path: str) -> Iterator[tuple[str, TyperCommand]]:
    if not isinstance(command, TyperGroup):
        yield path, command
        return
    for name, part in command.commands.items():
        yield from leaves(part, f"{path} {name}")


@pytest.mark.parametrize("command", [pytest.param(leaf, id=path) for path, leaf in leaves(COMMAND, "tickerstream")])
def test_every_command_and_each_option_has_help_and_there_is_json(command: TyperCommand) -> None:
    options = {name: option for option in command.params if option.param_type_name == "option" for name in option.opts}
    assert command.help
    assert "--json" in options
    assert not [name for name, option in options.items() if not option.help]
