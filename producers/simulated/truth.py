"""The record of what is planted in which ticker, for later scores to be held against."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from producers.simulated.planting import HORIZON_MINUTES, Plant, drift_weight
from producers.simulated.settings import SimulatedSettings
from producers.simulated.tickers import SECTORS, company
from shared.contracts.truth import TRUTH_FILE, PlantedTruth, decode_truth


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
    return decode_truth(path.read_bytes())
