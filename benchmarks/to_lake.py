"""Bars a second from source files to a durable, verified lake, beside the bare loop over the same bytes."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import bare_loop
from benchmarks.inputs import CsvSet
from infra.embedded.layout import Home
from infra.embedded.settings import resolve_home
from infra.embedded.stack import Wanted, running_stack


def ours(home: Path, bars: CsvSet) -> dict[str, object]:
    """Run `tickerstream demo --once` and return its report."""
    report = home / "report.json"
    arguments = [
        "demo",
        "--bars",
        str(bars.folder),
        "--timezone",
        bars.timezone,
        "--once",
        "--home",
        str(home / "ours"),
    ]
    command = [sys.executable, "-m", "cli", *arguments, "--report", str(report)]
    environment = {**os.environ, "TICKERSTREAM_CACHE": str(resolve_home().cache)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"demo failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    result: dict[str, object] = json.loads(report.read_text())
    return result


def measure(bars: CsvSet, rounds: int = 3) -> list[str]:
    """Return Markdown lines: each round measures both, one after the other."""
    rows, cache = bars.rows(), resolve_home().cache
    lines = ["| round | bars | bare loop, bars/s | Tickerstream, bars/s | ratio | lost | duplicated | peak RSS, MiB |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory(prefix="tickerstream-bench-") as folder:
            home = Path(folder)
            with running_stack(Home(home / "bare", cache), Wanted((), None)) as addresses:
                bare = rows / bare_loop.run(addresses.kafka_bootstrap_servers, home / "files", bars, rows)
            report = ours(home, bars)
            seconds = report["seconds"]
            assert isinstance(seconds, dict)
            speed = rows / float(seconds["publish_and_lake"])
            peak = max(report["peak_rss_mib"].values())  # type: ignore[attr-defined]
            counts = f"{report['lost']} | {report['duplicated']} | {peak:.0f}"
            lines.append(f"| {number} | {rows:,} | {bare:,.0f} | {speed:,.0f} | {speed / bare:.2f} | {counts} |")
    return lines
