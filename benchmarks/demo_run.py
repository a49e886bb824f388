"""Runs `tickerstream demo --once` in a home of its own and returns its report."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra.embedded.settings import resolve_home


def run_demo(*arguments: str, good: bool = True) -> dict[str, Any]:
    """Return the report of a demo with these arguments.

    Args:
        arguments: On top of `--once`, home and report.
        good: Whether one that ends with 1 is an error here.
    """
    cache = str(resolve_home().cache)
    with tempfile.TemporaryDirectory(prefix="tickerstream-bench-") as folder:
        report = Path(folder) / "report.json"
        home = ("--home", str(Path(folder) / "home"))
        command = [sys.executable, "-m", "cli", "demo", "--once", *home, "--report", str(report), *arguments]
        environment = {**os.environ, "TICKERSTREAM_CACHE": cache}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        if not report.exists() or (good and done.returncode):
            raise RuntimeError(f"the demo ended with {done.returncode}:\n{done.stdout[-8000:]}")
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found
