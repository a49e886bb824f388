"""How much memory a ticker's training takes, estimated before it starts."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
BASE_MIB: Final = 140
"""What a worker needs beyond the libraries, whatever it trains (the folds' trees and their rows are bounded)."""
# Measured: see train/README.md. A copy is the features as 32-bit floats.
PREPARING: Final = (2.5, 60)
"""Copies, and bytes a row: features as they were read, and as the matrix of the fits; times and labels."""
FITTING: Final = (1.5, 260)
"""Copies, and bytes a row and kind in work: the matrix and its bins; bins of the rows that moved, answers, scores."""


def estimate_mib(rows: int, features: int, kinds: int = 1) -> float:
    """Return the MiB that training one ticker takes at its peak, its process's libraries left out.

    Args:
        rows: Its feature rows.
        features: Features of each.
        kinds: How many kinds are trained at the same time.
    """
    copy = 4 * features
    preparing = PREPARING[0] * copy + PREPARING[1]
    fitting = FITTING[0] * copy + FITTING[1] * kinds
    return BASE_MIB + rows * max(preparing, fitting) / MIB


@dataclass(frozen=True, slots=True)
class Share:
    """How a ticker is trained: so many kinds at the same time, each with so many threads, within so many MiB."""

    at_once: int
    threads: int
    mib: float


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

    def share(self, running: list[float], size: tuple[int, int], kinds: int, cores: int) -> Share:
        """Return how to train an admitted ticker: with cores to spare all kinds at once, where there is memory for it.

        Args:
            running: MiB of those that run.
            size: Its rows and features.
            kinds: How many kinds of it are to be trained.
            cores: How many it may use.
        """
        together = estimate_mib(*size, kinds)
        if cores > 1 and sum(running) + together <= self.memory_mib:
            return Share(kinds, max(1, cores // kinds), together)
        return Share(1, cores, estimate_mib(*size))
