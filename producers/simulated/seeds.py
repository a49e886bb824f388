"""Random streams: an independent generator for each thing made, so that nothing depends on the order of making."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Stream(IntEnum):
    """What a generator is for. The numbers are part of the world: never change or reuse one."""

    MARKET_VOLATILITY = 1
    MARKET_SESSION = 2
    SECTOR_SESSION = 3
    TICKER_VOLATILITY = 4
    TICKER_SESSION = 5
    TICKER_BARS = 6
    TICKER_TRAITS = 7
    ACTIONS = 8
    MACRO = 9
    FILINGS = 10


def generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Return the generator of (`seed`, `stream`, `key`); the parts of `key` are not negative."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(int(stream), *key))))


def autoregressive(noise: Floats, persistence: float) -> Floats:
    """Return a stationary AR(1) path of unit variance from standard normal `noise`, of the same length."""
    scale = (1.0 - persistence**2) ** 0.5
    path = np.empty_like(noise)
    level = float(noise[0]) if noise.size else 0.0
    for i, shock in enumerate(noise.tolist()):
        level = level if i == 0 else persistence * level + scale * shock
        path[i] = level
    return path
