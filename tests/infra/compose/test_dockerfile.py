"""What the Dockerfile promises, read from the file itself."""

import re
from pathlib import Path

import pytest

from tests.infra.compose.test_compose_file import OURS, ROOT, SERVICES

TEXT = re.sub(r"\\\n\s*", "", (ROOT / "infra/docker/Dockerfile").read_text(encoding="utf-8"))
INSTALL = (ROOT / "infra/docker/install.sh").read_text(encoding="utf-8")
PACKAGES = {
    "consumers": {"shared", "consumers"},
    "aggregator": {"shared", "aggregator"},
    "train": {"shared", "train"},
    "predictor": {"shared", "predictor"},
    "producers": {"shared", "producers"},
    "cli": {"shared", "infra", "producers", "cli"},
    "provision": {"shared", "infra"},
}


def stages() -> dict[str, list[str]]:
    """Name of each stage -> its instructions, FROM first."""
    found: dict[str, list[str]] = {}
    for line in TEXT.splitlines():
        if match := re.match(r"FROM \S+ AS (\S+)", line):
            found[match.group(1)] = []
            name = match.group(1)
        if found and line.strip() and not line.startswith("#"):
            found[name].append(line)
    return found


STAGES = stages()


def lineage(name: str) -> list[str]:
    """The instructions of a stage after those of what it begins from."""
    base = STAGES[name][0].split()[1]
    return (lineage(base) if base in STAGES else []) + STAGES[name]


def test_dockerfile_begins_every_stage_from_the_one_base_that_can_be_replaced() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+-slim-\w+$", TEXT, re.MULTILINE)
    for name, lines in STAGES.items():
        assert lines[0].split()[1] in {"${PYTHON_IMAGE}", *STAGES}, name


def test_dockerfile_fetches_nothing_but_packages_by_hash() -> None:
    assert not re.search(r"^ADD ", TEXT, re.MULTILINE)
    assert not re.search(r"curl|wget|https?://(?!docker)", TEXT)
    assert "--require-hashes" in INSTALL
    assert "--only-binary :all:" in INSTALL


@pytest.mark.parametrize("target", sorted(PACKAGES))
def test_requirements_of_target_are_pinned_by_hash_without_an_index(target: str) -> None:
    lines = (ROOT / f"requirements/{target}.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert lines
    for line in lines:
        assert "==" in line
        assert "--hash=sha256:" in line
        assert "://" not in line


@pytest.mark.parametrize("target", sorted(PACKAGES))
def test_target_ends_without_privileges_and_holds_only_its_own_packages(target: str) -> None:
    lines = lineage(target)
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 10001:10001"
    copies = [line.split() for line in lines if line.startswith("COPY ")]
    assert {copy[2] for copy in copies if copy[1] == "--from=sources"} == {f"/app/{p}" for p in PACKAGES[target]}
    assert [copy[2] for copy in copies if copy[1] != "--from=sources"] == ["/opt/venv"]
    assert f"COPY --from={target}-packages /opt/venv /opt/venv" in lines
    assert any(f"/requirements/{target}.txt" in line for line in STAGES[f"{target}-packages"])
    assert any(line.startswith("LABEL org.opencontainers.image.title=") for line in STAGES[target])
    assert any(line.startswith('ENTRYPOINT ["python", "-m", ') for line in STAGES[target])


def test_runtime_loses_what_installs_packages() -> None:
    assert re.search(r"rm -rf \S*site-packages/\* .*ensurepip", TEXT)
    assert "--without-pip" in INSTALL


def test_targets_are_those_of_the_compose_file() -> None:
    assert {SERVICES[name]["build"]["target"] for name in OURS} == set(PACKAGES)
    for name in OURS:
        assert f"/{SERVICES[name]['build']['target']}:" in SERVICES[name]["image"]


def test_dockerignore_lets_only_named_folders_in() -> None:
    lines = [line for line in Path(ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert allowed == set().union(*PACKAGES.values()) | {"requirements"}


def test_sources_of_target_import_no_package_that_it_lacks() -> None:
    ours = set().union(*PACKAGES.values()) | {"tests"}
    for target, packages in PACKAGES.items():
        for package in packages:
            for file in (ROOT / package).rglob("*.py"):
                if "shared/testing" in file.as_posix():
                    continue
                for name in re.findall(r"^(?:from|import) (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE):
                    assert name not in ours or name in packages, f"{target}: {file} imports {name}"
