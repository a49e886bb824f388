"""The whole way, from source files to served predictions: time by stage and memory, as the demo reports them."""

import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.demo_run import run_demo
from benchmarks.inputs import simulated_csv

STAGES = {
    "start": "start the stack",
    "publish": "publish",
    "lake": "rest of the way to the lake",
    "verify": "verify the lake",
    "features": "rest of the features",
    "train": "rest of training, evaluation included",
    "total": "in all",
}
SESSION_BARS = 380
"""What a simulated session has, on average."""
LONG_SESSIONS = 1_850_000 // SESSION_BARS


def measure() -> list[str]:
    """Measure a million bars: the caller's or simulated ones written as plain CSV.

    The caller's are named by TICKERSTREAM_REAL_DATA, with TICKERSTREAM_REAL_MACRO and TICKERSTREAM_REAL_FUNDAMENTALS
    beside them if there are any.
    """
    if given := os.environ.get("TICKERSTREAM_REAL_DATA"):
        zone = os.environ.get("TICKERSTREAM_REAL_TIMEZONE", "America/New_York")
        facts = [
            (option, os.environ.get(f"TICKERSTREAM_REAL_{option.upper()}")) for option in ("macro", "fundamentals")
        ]
        named = [text for option, path in facts if path for text in (f"--{option}", path)]
        return lines_of(run_demo("--bars", given, "--timezone", zone, *named))
    with tempfile.TemporaryDirectory(prefix="tickerstream-bars-") as folder:
        bars = simulated_csv(Path(folder) / "csv", 30, 90)
        return lines_of(run_demo("--bars", str(bars.folder), "--timezone", bars.timezone))


def large() -> list[str]:
    """Measure 12 million bars of 30 tickers from plain CSV files."""
    with tempfile.TemporaryDirectory(prefix="tickerstream-bars-") as folder:
        sessions = 12_000_000 // 30 // SESSION_BARS
        bars = simulated_csv(Path(folder) / "csv", 30, sessions, start=date(2020, 1, 2))
        return lines_of(run_demo("--bars", str(bars.folder), "--timezone", bars.timezone))


def long() -> list[str]:
    """Measure one ticker with 1.85 million bars from a plain CSV file, as its end shows them."""
    with tempfile.TemporaryDirectory(prefix="tickerstream-bars-") as folder:
        bars = simulated_csv(Path(folder) / "csv", 1, LONG_SESSIONS, start=date(2006, 1, 3))
        return lines_of(run_demo("--bars", str(bars.folder), "--timezone", bars.timezone))


def corrected() -> list[str]:
    """Measure one simulated ticker with 1.85 million bars, three of a thousand of them corrected some minutes later."""
    return lines_of(run_demo("--tickers", "1", "--sessions", str(LONG_SESSIONS)))


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return a demo's report as Markdown."""
    seconds, verdicts = report["seconds"], report["verdicts"]
    counts = {
        "bars": report["lake_rows"],
        "tickers": report["tickers"],
        "lost": report["lost"],
        "duplicated": report["duplicated"],
        "feature rows": report["feature_rows"],
        "models trained": report["models_trained"],
        "models served": report["models_served"],
        "predictions": report["predictions"],
    }
    lines = [", ".join(f"{count:,} {name}" for name, count in counts.items()) + ".", ""]
    lines += ["Verdicts: " + ", ".join(f"{count} {name}" for name, count in verdicts.items()) + ".", ""]
    lines += ["| stage | seconds |", "| --- | --- |"]
    lines += [f"| {text} | {seconds[name]:,.1f} |" for name, text in STAGES.items()]
    first = seconds["first_prediction"]
    lines += [f"| first prediction served after | {first:,.1f} |" if first else "| first prediction | none |", ""]
    cpu = report["cpu_seconds"]
    lines += ["| process | peak, MiB | CPU, s |", "| --- | --- | --- |"]
    lines += [f"| {name} | {peak:,.0f} | {cpu.get(name, 0):,.0f} |" for name, peak in report["peak_rss_mib"].items()]
    return [*lines, f"| the stack together | {report['peak_together_mib']:,.0f} | {sum(cpu.values()):,.0f} |"]
