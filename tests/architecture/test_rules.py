"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("producers", "consumers", "aggregator", "train", "predictor")


def tracked(*patterns: str) -> list[Path]:
    out = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in out.stdout.split("\0") if name and (ROOT / name).is_file()]


def sources() -> list[Path]:
    return [p for p in tracked("*.py") if p.relative_to(ROOT).parts[0] not in {"tests", "benchmarks"}]


def reads_environment(tree: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv"}
        for node in ast.walk(tree)
    )


# Who hands the environment on to child processes needs to see it whole; nobody else does.
HANDS_ON = {"infra", "cli"}
# It runs every few seconds in every container and loads nothing but the standard library.
HEALTHCHECK = Path("shared/runtime/healthcheck.py")


def may_read_environment(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    is_healthcheck = path.relative_to(ROOT) == HEALTHCHECK
    return path.name == "settings.py" or is_healthcheck or parts[0] in HANDS_ON or parts[:2] == ("shared", "testing")


def test_environment_is_read_in_settings_only() -> None:
    readers = [p.relative_to(ROOT) for p in sources() if reads_environment(ast.parse(p.read_text()))]
    assert readers, "the check finds nothing at all"
    assert not [p for p in readers if not may_read_environment(ROOT / p)]


@pytest.mark.parametrize("service", SERVICES)
def test_service_has_its_parts(service: str) -> None:
    present = {p.name for p in (ROOT / service).iterdir()}
    assert {"__main__.py", "settings.py", "README.md"} <= present


def test_lock_files_are_hashed_and_name_no_host() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9][\w.\[\]-]*==", text, re.MULTILINE | re.IGNORECASE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert "index-url" not in text


def test_there_is_a_lock_file_for_each_extra_that_is_installed_alone() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert {p.stem for p in (ROOT / "requirements").glob("*.txt")} == extras


def test_no_file_names_a_path_of_one_machine() -> None:
    machine_path = re.compile(r"(?<![\w.])/(?:root|home/\w+|work|farm)/[\w.-]+")
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked("*.py", "*.md", "*.toml", "*.yml", "*.sh", "*.txt", "*.json", "*.properties", "Makefile")
        if (match := machine_path.search(path.read_text(encoding="utf-8")))
    ]
    assert not found
