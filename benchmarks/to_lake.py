"""Bars a second from source files to a durable, verified lake, beside the bare loop over the same bytes."""

import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import bare_loop
from benchmarks.demo_run import run_demo
from benchmarks.inputs import CsvSet, simulated_csv
from infra.embedded.layout import Home
from infra.embedded.settings import resolve_home
from infra.embedded.stack import Wanted, running_stack

ROUNDS = 3


def measure(bars: CsvSet | None = None, rounds: int = ROUNDS) -> list[str]:
    """Return Markdown lines: each round measures both, one after the other.

    Args:
        bars: What is read; by default the caller's files (TICKERSTREAM_REAL_DATA), else a million simulated bars.
        rounds: How often.
    """
    if bars is not None:
        return _compare(bars, "Bars of the caller's", rounds)
    if given := os.environ.get("TICKERSTREAM_REAL_DATA"):
        zone = os.environ.get("TICKERSTREAM_REAL_TIMEZONE", "America/New_York")
        return _compare(CsvSet(Path(given), zone), "A folder of bars of the caller's", rounds)
    with tempfile.TemporaryDirectory(prefix="tickerstream-bars-") as folder:
        return _compare(simulated_csv(Path(folder) / "csv", 30, 90), "Simulated bars, 30 tickers, 90 sessions", rounds)


def _compare(bars: CsvSet, what: str, rounds: int) -> list[str]:
    rows = bars.rows()
    lines = [f"{what}.", ""]
    lines += ["| round | bars | bare loop, bars/s | Tickerstream, bars/s | ratio | lost | duplicated | peak RSS, MiB |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for number in range(1, rounds + 1):
        bare = rows / _bare(bars, rows)
        report: dict[str, Any] = run_demo(
            "--until", "lake", "--bars", str(bars.folder), "--timezone", bars.timezone, good=False
        )
        speed = rows / float(report["seconds"]["publish_and_lake"])
        counts = f"{report['lost']} | {report['duplicated']} | {max(report['peak_rss_mib'].values()):.0f}"
        lines.append(f"| {number} | {rows:,} | {bare:,.0f} | {speed:,.0f} | {speed / bare:.2f} | {counts} |")
    return lines


def _bare(bars: CsvSet, rows: int) -> float:
    """Return the bare loop's seconds on a broker of its own."""
    with tempfile.TemporaryDirectory(prefix="tickerstream-bench-") as folder:
        home = Home(Path(folder) / "bare", resolve_home().cache)
        with running_stack(home, Wanted((), None)) as addresses:
            return bare_loop.run(addresses.kafka_bootstrap_servers, Path(folder) / "files", bars, rows)
