"""What benchmarks read: a folder of CSV files given by the caller, or one that is made here."""

import gzip
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from producers.simulated.settings import SimulatedSettings
from producers.simulated.source import SimulatedHistory
from producers.source import Bars


@dataclass(frozen=True)
class CsvSet:
    """A folder of `<ticker>.csv[.gz]`, sorted, first column the time."""

    folder: Path
    timezone: str

    def files(self) -> list[Path]:
        return sorted(p for p in self.folder.iterdir() if p.name.endswith((".csv", ".csv.gz")))

    def rows(self) -> int:
        def lines(path: Path) -> int:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                return sum(1 for line in file if line.strip()) - 1

        return sum(lines(path) for path in self.files())


def simulated_csv(folder: Path, tickers: int, sessions: int, start: date = date(2024, 1, 2)) -> CsvSet:
    """Write bars of the simulated exchange as plain CSV, without the prefix that would mark them as simulated input."""
    folder.mkdir(parents=True)
    settings = SimulatedSettings.load(simulated_tickers=tickers, simulated_sessions=sessions, simulated_start=start)
    source = SimulatedHistory(settings)
    frames: dict[str, list[pl.DataFrame]] = {}
    for unit in source.units():
        for item in source.read(unit):
            if isinstance(item, Bars):
                frames.setdefault(item.frame["ticker"][0], []).append(item.frame)
    for ticker, parts in frames.items():
        bars = pl.concat(parts).unique("timestamp").sort("timestamp")
        bars = bars.select("timestamp", "open", "high", "low", "close", "volume")
        bars.write_csv(folder / f"{ticker.removeprefix('SIM.')}.csv", datetime_format="%Y-%m-%d %H:%M:%S+00:00")
    return CsvSet(folder, "UTC")
