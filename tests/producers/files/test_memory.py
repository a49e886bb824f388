"""Memory stays bounded whatever the size of a file."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

MOST_MIB = 300
PROGRAM = """
import json, sys
from pathlib import Path
from producers.files.options import FileOptions
from producers.files.stock import StockFiles
from producers.source import Bars
from shared.contracts.bars import encode_bars
source = StockFiles(Path(sys.argv[1]), FileOptions("UTC"))
rows = 0
for unit in source.units():
    for item in source.read(unit):
        assert isinstance(item, Bars) or type(item).__name__ == "Advanced", item
        if isinstance(item, Bars):
            encode_bars(item.frame)
            rows += item.frame.height + item.duplicates
# Not getrusage: its peak is that of the parent, too, from before the program was started.
peak = next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"rows": rows, "peak": peak}))
"""


def test_large_file_of_many_tickers_sorted_by_time_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """Two million rows: far more than is held at once, and no week of any ticker is ever complete early."""
    tickers = [f"T{i:03d}" for i in range(400)]
    with gzip.open(tmp_path / "all.csv.gz", "wt", compresslevel=1) as file:
        file.write("timestamp,ticker,open,high,low,close,volume\n")
        for minute in range(5000):
            day, rest = divmod(minute, 1440)
            time = f"2025-01-{6 + day:02d} {rest // 60:02d}:{rest % 60:02d}:00"
            file.write("".join(f"{time},{t},{10 + minute % 7}.25,20.5,9.125,11.75,{minute}\n" for t in tickers))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True, timeout=280
    )
    found = json.loads(done.stdout)
    assert found["rows"] == 2_000_000
    assert found["peak"] < MOST_MIB
