"""A whole demo while every process of it is killed: it ends by itself, with what an undisturbed one has."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.embedded.layout import Home
from infra.embedded.services import SERVICES

ROOT = Path(__file__).parents[2]
SERVERS = {"kafka", "postgres", "mongo"}
# What a process that was killed still holds is let go sooner than people would want it.
HASTY = {"LAKE_FLUSH_SECONDS": "1", "KAFKA_SESSION_SECONDS": "2", "TRAIN_LEASE_SECONDS": "4"}
PRODUCERS = {"producers-stock", "producers-macro", "producers-company"}


def kill_run(cache: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TICKERSTREAM_CACHE": str(cache), **HASTY}
    environment.pop("TICKERSTREAM_REAL_DATA", None)
    command = [sys.executable, "-m", "benchmarks.kill_run", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def altered(snapshot: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the snapshot with one value of a part changed."""
    name, value = next(iter(snapshot[part].items()))
    other = {**value, "digest": "0"} if isinstance(value, dict) else f"{value}0"
    return {**snapshot, part: {**snapshot[part], name: other}}


@pytest.mark.torture
@pytest.mark.timeout(1200)
def test_demo_ends_with_the_same_whoever_is_killed_meanwhile(home: Home) -> None:
    folder = home.root / "runs"
    done = kill_run(home.cache, "--keep", folder)
    assert done.returncode == 0, done.stdout + done.stderr

    killed = {one["process"] for one in json.loads((folder / "kills-1.json").read_text())["done"]}
    assert killed == {entry.name for entry in SERVICES} | SERVERS | PRODUCERS

    undisturbed = folder / "undisturbed.snapshot.json"
    whole = json.loads(undisturbed.read_text())
    for part in ("counts", "lake", "rows", "models", "answers", "profiles"):
        other = folder / f"{part}.json"
        other.write_text(json.dumps(altered(whole, part)))
        assert kill_run(home.cache, "--compare", undisturbed, other).returncode == 1, part
    assert kill_run(home.cache, "--compare", undisturbed, undisturbed).returncode == 0
