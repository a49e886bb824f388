"""The record of what the simulated exchange has planted in each ticker, for estimates to be held against."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

TRUTH_FILE: Final = Path("state") / "simulated_truth.json"
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
    mechanism: Literal["momentum", "reversal", "none"]
    window_minutes: int
    horizon_minutes: int
    drift_weight: float
    signal: str
    sector: str


def decode_truth(text: str | bytes) -> Sequence[PlantedTruth]:
    """Return the record in `text` (JSON).

    Raises:
        ValueError: it is not such a record.
    """
    try:
        return [PlantedTruth(**entry) for entry in json.loads(text)["tickers"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a record of planted truth: {error}") from error
