"""The record of what is planted in which ticker, for later scores to be held against."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from producers.simulated.planting import HORIZON_MINUTES, Mechanism, Plant, drift_weight
from producers.simulated.settings import SimulatedSettings
from producers.simulated.tickers import SECTORS, company

TRUTH_FILE = Path("state") / "simulated_truth.json"
"""Where the record lies below TICKERSTREAM_HOME."""


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """What can be foretold of one ticker.

    Attributes:
        ticker: Of the simulated exchange.
        information_coefficient: Correlation of `signal` at a bar with the return of the next `horizon_minutes`, pooled
            over the regular minutes where both exist; exactly 0 where nothing is planted.
        mechanism: momentum, reversal, or none.
        window_minutes: How far back the signal looks; 0 for none.
        horizon_minutes: What it foretells.
        drift_weight: Expected minute return, as a share of the past window's return; 0 for none.
        signal: How to compute it from the bars, in words; empty for none.
        sector: For people.
    """

    ticker: str
    information_coefficient: float
    mechanism: Mechanism | Literal["none"]
    window_minutes: int
    horizon_minutes: int
    drift_weight: float
    signal: str
    sector: str


def truth(settings: SimulatedSettings) -> list[PlantedTruth]:
    """Return what is planted in each ticker of the world, in the order of the tickers."""
    listed = [company(settings.simulated_seed, index) for index in range(settings.simulated_tickers)]
    return [_of(c.ticker, SECTORS[c.sector], c.role.plant) for c in listed]


def _of(ticker: str, sector: str, plant: Plant | None) -> PlantedTruth:
    if plant is None:
        return PlantedTruth(ticker, 0.0, "none", 0, HORIZON_MINUTES, 0.0, "", sector)
    past = f"close(t) / close(t - {plant.window} min) - 1"
    rule = "within one regular session"
    return PlantedTruth(
        ticker=ticker,
        information_coefficient=plant.information_coefficient,
        mechanism=plant.mechanism,
        window_minutes=plant.window,
        horizon_minutes=HORIZON_MINUTES,
        drift_weight=drift_weight(plant),
        signal=f"{past}, {rule}" if plant.sign > 0 else f"-({past}), {rule}",
        sector=sector,
    )


def write_truth(settings: SimulatedSettings, home: Path) -> Path:
    """Write the record as JSON below `home` (TICKERSTREAM_HOME), whole or not at all, and return its path."""
    path = home / TRUTH_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"settings": settings.world, "tickers": [asdict(entry) for entry in truth(settings)]}
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return path


def read_truth(home: Path) -> Sequence[PlantedTruth] | None:
    """Return the record below `home`, or None where none was written."""
    path = home / TRUTH_FILE
    if not path.is_file():
        return None
    return [PlantedTruth(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))["tickers"]]
