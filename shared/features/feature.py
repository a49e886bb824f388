"""What a feature is: one entry of the catalogue, from which code, columns, manifest, docs and tests are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shared.features.bench import Bench

Timeframe = Literal["1m", "5m", "15m", "60m", "session"]
"""What a feature's look-back counts: minute bars, closed higher bars, or sessions."""

START_UP_SPANS: Final = 10
"""A recursive average counts as settled after so many of its spans; until then it is null."""


class Group(StrEnum):
    """What a feature speaks of."""

    MOVING_AVERAGES = "moving averages"
    BOLLINGER = "Bollinger bands"
    RSI = "RSI"
    MACD = "MACD"
    ATR = "ATR"
    STOCHASTIC = "stochastic"
    VOLUME = "volume"
    MOMENTUM = "momentum"
    STATISTICAL = "statistical"
    RISK = "risk"
    REGIME = "regime"
    MULTI_TIMEFRAME = "multi-timeframe"
    SESSION = "session and calendar"
    MACRO = "macro"
    FUNDAMENTAL = "fundamental"
    ACTIONS = "corporate actions"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    Attributes:
        name: The column: lower case letters, digits and `_`.
        group: What it speaks of.
        timeframe: What `lookback` and `smoothing` count.
        lookback: Bars of `timeframe` that one value is made from, the row's own (or the newest closed one) included;
            0 where it needs none.
        smoothing: Longest span of a recursive average in it (Wilder's of n counts 2n - 1), 0 without one.
        scale_free: Whether models may be fed with it. False: a level, stored for people.
        meaning: One line for people.
        formula: How it is made, in the names of the bar's columns.
        source: Where the formula comes from, or the TA-Lib function.
        compute: The values on a bench: one for each of its minute rows, NaN where there is none. Must be causal and
            sequential, so that a prefix of the bars gives bit-identical values.
        version: Raised whenever the values change: it makes another feature set.
    """

    name: str
    group: Group
    timeframe: Timeframe
    lookback: int
    smoothing: int
    scale_free: bool
    meaning: str
    formula: str
    source: str
    compute: Callable[[Bench], NDArray[np.float64]]
    version: int = 1

    @property
    def start_up(self) -> int:
        """Return how many bars of `timeframe` must be there, the row's own included, before there is a value."""
        return max(self.lookback, START_UP_SPANS * self.smoothing)
