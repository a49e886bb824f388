"""How much memory a ticker's training takes, estimated before it starts."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
BASE_MIB: Final = 140
"""What a worker needs beyond the libraries, whatever it trains (the folds' trees and their rows are bounded)."""
COPIES: Final = 2.5
"""The features are held as read, then as the matrix of the fits, and binned. Measured: see train/README.md."""
BYTES_PER_ROW: Final = 200
"""Times, labels, answers of each fold and kind, and what evaluation makes of them."""


def estimate_mib(rows: int, features: int) -> float:
    """Return the MiB that training one ticker takes at its peak, its process's libraries left out."""
    return BASE_MIB + rows * (features * 4 * COPIES + BYTES_PER_ROW) / MIB


@dataclass(frozen=True, slots=True)
class Budget:
    """What may run at the same time."""

    workers: int
    memory_mib: float

    def admits(self, running: list[float], wanted: float) -> bool:
        """Return whether a ticker of `wanted` MiB may start beside those that run; alone each may."""
        if not running:
            return True
        return len(running) < self.workers and sum(running) + wanted <= self.memory_mib
