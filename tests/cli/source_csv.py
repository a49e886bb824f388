"""Source files whose every number is known: 3 tickers, 5 sessions, with repeated rows, bad rows and a bad file."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

# Monday to Friday of an ordinary week in winter: New York is five hours behind.
DAYS = tuple(datetime(2026, 1, day, 14, 30, tzinfo=UTC) for day in (12, 13, 14, 15, 16))
TICKERS = ("AAA", "BBB", "CCC")
MINUTES = 40
NAIVE_ZONE = "America/New_York"


@dataclass(frozen=True)
class Written:
    """What lies in the folder: counted while it was written, not read back."""

    folder: Path
    rows: int
    different: int
    repeated: int
    bad: int


def row(ticker: str, at: datetime) -> str:
    """One bar as text, the same for the same ticker and time; New York's naive time."""
    step = int(at.timestamp()) // 60 % 997 + 31 * TICKERS.index(ticker)
    opened, closed = 100 + step / 8, 100 + (step + 1) / 8
    local = at - timedelta(hours=5)
    return f"{local:%Y-%m-%d %H:%M:%S},{opened},{closed + 0.25},{opened - 0.5},{closed},{step * 10}"


def write_source(folder: Path) -> Written:
    """Write a file a ticker; AAA has repeated rows, BBB bad ones, and one more file is no set of bars at all."""
    folder.mkdir()
    repeated = bad = different = 0
    for ticker in TICKERS:
        lines = [row(ticker, day + timedelta(minutes=minute)) for day in DAYS for minute in range(MINUTES)]
        different += len(lines)
        if ticker == "AAA":
            lines += lines[5:12]
            repeated += 7
        if ticker == "BBB":
            lines += ["2026-01-16 16:10:00,10,9,8,9.5,100", "2026-01-16 16:11:00,10,12,9,11,-5"]
            bad += 2
        text = "\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n"
        (folder / f"{ticker}_1min.csv").write_text(text)
    return Written(folder, different + repeated + bad, different, repeated, bad)
