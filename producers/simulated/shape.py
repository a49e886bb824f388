"""The shape of a trading day: how volatility and volume run over its minutes, U-shaped, thin outside regular hours."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from producers.simulated.seeds import Floats

FULL_DAY = 390
PRE_MARKET = 330  # 04:00 to 09:30
POST_MARKET = 240  # 16:00 to 20:00; a half day's runs from 13:00 to 17:00
EXTENDED_VOLATILITY = 0.35  # of a calm regular minute
EXTENDED_ACTIVITY = 0.015


@dataclass(frozen=True, slots=True)
class Shape:
    """The minutes of one kind of day.

    Attributes:
        offsets: Minutes after the regular open, one a bar; negative before it.
        volatility: Standard deviation of each minute; the squares over a full regular day sum to 1.
        activity: Volume of each minute; the mean over a full regular day is 1.
        regular: Where the regular minutes stand.
    """

    offsets: NDArray[np.int64]
    volatility: Floats
    activity: Floats
    regular: slice


def _volatility(minutes: int) -> Floats:
    since, until = np.arange(minutes), np.arange(minutes)[::-1]
    curve: Floats = 1.0 + 1.3 * np.exp(-since / 25.0) + 0.4 * np.exp(-until / 20.0)
    return curve


def _activity(minutes: int) -> Floats:
    since, until = np.arange(minutes), np.arange(minutes)[::-1]
    curve: Floats = 1.0 + 3.0 * np.exp(-since / 15.0) + 0.8 * np.exp(-since / 70.0) + 4.0 * np.exp(-until / 10.0)
    return curve


@lru_cache(maxsize=8)
def shape(minutes: int, extended: bool) -> Shape:
    """Return the shape of a day with that many regular minutes, with or without the hours around them."""
    unit_volatility = float(np.sqrt(np.sum(_volatility(FULL_DAY) ** 2)))
    unit_activity = float(np.mean(_activity(FULL_DAY)))
    before, after = (PRE_MARKET, POST_MARKET) if extended else (0, 0)
    quiet_volatility, quiet_activity = EXTENDED_VOLATILITY, EXTENDED_ACTIVITY
    volatility = np.concatenate(
        [np.full(before, quiet_volatility), _volatility(minutes), np.full(after, quiet_volatility)]
    )
    activity = np.concatenate([np.full(before, quiet_activity), _activity(minutes), np.full(after, quiet_activity)])
    return Shape(
        np.arange(-before, minutes + after, dtype=np.int64),
        volatility / unit_volatility,
        activity / unit_activity,
        slice(before, before + minutes),
    )
