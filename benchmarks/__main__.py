"""`python -m benchmarks [--bars FOLDER --timezone TZ]`: run the benchmarks and write benchmarks/RESULTS.md."""

import argparse
import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import to_lake
from benchmarks.inputs import CsvSet, simulated_csv

RESULTS = Path(__file__).parent / "RESULTS.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--bars", type=Path, help="folder of sorted CSV files; default: a million simulated bars")
    parser.add_argument("--timezone", default="America/New_York", help="zone of naive times (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tickerstream-bars-") as folder:
        bars = CsvSet(given.bars, given.timezone) if given.bars else simulated_csv(Path(folder) / "csv", 30, 90)
        what = "a folder of bars of the caller's" if given.bars else "simulated bars, 30 tickers, 90 sessions"
        lines = ["# Results", "", f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()},"]
        lines += [f"Python {platform.python_version()}. Input: {what}.", "", "## To the lake", ""]
        lines += ["`make bench`. The bare loop is pyarrow and confluent-kafka over the same bytes with the same fsync,"]
        lines += ["without validation, versions, offsets or recovery (benchmarks/bare_loop.py).", ""]
        lines += to_lake.measure(bars, given.rounds)
    RESULTS.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
