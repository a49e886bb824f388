"""The planted truth: a predictable part of stated strength in a ticker's minute returns, or exactly none.

A planted ticker's regular minute return is r[t] = w * (r[t-k] + ... + r[t-1]) + e[t], from the (k+1)-th minute after
the first on, so that every return in the sum runs from close to close in the same session; e is unpredictable. Hence
the signal +-(close[t] / close[t-k] - 1), + for momentum, - for reversal, foretells close[t+H] / close[t] - 1.
w is solved from the exact second moments of this process, so that their correlation, pooled over the minutes of a full
day, is the stated information coefficient. Volatility that varies by day, or independently by minute, leaves it as is.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from producers.simulated.seeds import Floats
from producers.simulated.shape import FULL_DAY, shape

HORIZON_MINUTES = 5
Mechanism = Literal["momentum", "reversal"]


@dataclass(frozen=True, slots=True)
class Plant:
    """What is planted in a ticker.

    Attributes:
        mechanism: Whether a past move goes on or turns back.
        window: Minutes of the past return that is the signal.
        information_coefficient: Correlation of signal and the next HORIZON_MINUTES return, in (0, 0.3].
    """

    mechanism: Mechanism
    window: int
    information_coefficient: float

    @property
    def sign(self) -> float:
        """Return +1 for momentum, -1 for reversal."""
        return 1.0 if self.mechanism == "momentum" else -1.0


def with_drift(innovations: Floats, window: int, weight: float) -> Floats:
    """Return the returns that follow from unpredictable `innovations` of one regular session.

    A plain loop: each return needs those before it, and the result must not depend on how a library sums.
    """
    returns = innovations.tolist()
    total = 0.0
    for t in range(2, len(returns)):
        total += returns[t - 1]
        if t > window:
            returns[t] += weight * total
            total -= returns[t - window]
    return np.array(returns)


def expected_coefficient(window: int, weight: float) -> float:
    """Return the exact correlation of the past `window`-minute and the next HORIZON_MINUTES return on a full day."""
    scale = shape(FULL_DAY, extended=False).volatility
    # cumulative[t + 1] = price move from the open to the close of minute t, as a combination of the innovations.
    cumulative = np.zeros((FULL_DAY + 1, FULL_DAY))
    for t in range(FULL_DAY):
        step = np.zeros(FULL_DAY)
        if t > window:
            step = weight * (cumulative[t] - cumulative[t - window])
        step[t] += scale[t]
        cumulative[t + 1] = cumulative[t] + step
    known = cumulative[window + 1 : -HORIZON_MINUTES]
    past = known - cumulative[1 : 1 + len(known)]
    ahead = cumulative[window + 1 + HORIZON_MINUTES :] - known
    return float(np.sum(past * ahead) / np.sqrt(np.sum(past**2) * np.sum(ahead**2)))


@lru_cache(maxsize=64)
def drift_weight(plant: Plant) -> float:
    """Return w of the module's formula for the plant, by the secant method, rounded to 7 digits after the point."""
    target = plant.sign * plant.information_coefficient
    low, low_value = 0.0, -target
    high = target * 2.0 / plant.window
    for _ in range(30):
        high_value = expected_coefficient(plant.window, high) - target
        if abs(high_value) < 1e-7:
            break
        low, low_value, high = high, high_value, high - high_value * (high - low) / (high_value - low_value)
    return round(high, 7)
