"""The values of the simulated economy, by month, quarter or session. Each is a function of the seed and a number."""

import math
from datetime import date

import numpy as np

from producers.simulated.market import MARKET_VOLATILITY, level_at
from producers.simulated.seeds import Floats, Stream, generator
from producers.simulated.world import World

_PRODUCT, _PRICES, _UNEMPLOYMENT, _POLICY, _TEN, _TWO, _FEAR = range(1, 8)
_REVISIONS = 100  # added to a number above: the revisions of that figure
_SESSIONS_A_YEAR = 252
_PREMIUM = 1.15  # implied over realised volatility


def month_after(first: date, months: int) -> date:
    """Return the first day of the month that many months after `first`'s."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _shocks(seed: int, figure: int, length: int) -> Floats:
    """Return the first `length` of an endless row of standard normals."""
    return generator(seed, Stream.MACRO, figure).standard_normal(length)


def product(seed: int, quarter: int) -> tuple[float, float, float]:
    """Return gross domestic product, billions of chained dollars: advance, second and third estimate."""
    growth = 0.006 + 0.004 * _shocks(seed, _PRODUCT, quarter + 1)
    final = 22_500.0 * float(np.exp(growth.sum()))
    first, second = generator(seed, Stream.MACRO, _PRODUCT + _REVISIONS, quarter).standard_normal(2).tolist()
    return round(final * (1.0 + 0.003 * first), 3), round(final * (1.0 + 0.001 * second), 3), round(final, 3)


def prices(seed: int, month: int, revision: int = 0) -> float:
    """Return the consumer price index; `revision` is the year of a seasonal revision, 0 = as first released."""
    inflation = 0.0022 + 0.0012 * _shocks(seed, _PRICES, month + 1)
    level = 300.0 * float(np.exp(inflation.sum()))
    if revision:
        factor = float(generator(seed, Stream.MACRO, _PRICES + _REVISIONS, revision, month).standard_normal())
        level *= 1.0 + 0.0004 * factor
    return round(level, 3)


def unemployment(seed: int, month: int) -> tuple[float, float]:
    """Return the unemployment rate, percent: as first released, and as it stands a month later."""
    level = level_at(seed, Stream.MACRO, (_UNEMPLOYMENT,), month, 0.96)
    chance = float(generator(seed, Stream.MACRO, _UNEMPLOYMENT + _REVISIONS, month).random())
    step = 0.1 if chance < 0.15 else -0.1 if chance < 0.3 else 0.0
    value = round(4.2 + 0.5 * level, 1)
    return value, round(value + step, 1)


def policy_rate(seed: int, month: int) -> float:
    """Return the month's mean of the policy rate, percent: a target that moves by quarters, and a little noise."""
    shocks = _shocks(seed, _POLICY, month + 1)
    target = 4.375
    for shock in shocks.tolist():
        pull = 0.1 * (3.5 - target)
        target += 0.25 * round(0.9 * shock + pull) if abs(shock) > 0.8 else 0.0
        target = min(max(target, 0.125), 8.125)
    return round(target - 0.045 + 0.005 * float(shocks[-1]), 2)


def ten_years(world: World, ordinal: int) -> float:
    """Return the yield of ten-year treasuries on that session, percent."""
    return round(4.3 + 0.35 * _yield_level(world, _TEN, ordinal), 2)


def two_years(world: World, ordinal: int) -> float:
    """Return the yield of two-year treasuries on that session, percent."""
    common, own = _yield_level(world, _TEN, ordinal), _yield_level(world, _TWO, ordinal)
    return round(4.1 + 0.3 * common + 0.3 * own, 2)


def slope(world: World, ordinal: int) -> float:
    """Return ten-year minus two-year yield, percentage points."""
    return round(ten_years(world, ordinal) - two_years(world, ordinal), 2)


def _yield_level(world: World, figure: int, ordinal: int) -> float:
    return level_at(world.seed, Stream.MACRO, (figure,), ordinal + world.timeline.before, 0.99)


def implied_volatility(world: World, ordinal: int) -> float:
    """Return the volatility index after that session: the market's volatility a year, percent, with a premium."""
    realised = MARKET_VOLATILITY * world.market.turbulence(ordinal) * math.sqrt(_SESSIONS_A_YEAR)
    noise = level_at(world.seed, Stream.MACRO, (_FEAR,), ordinal + world.timeline.before, 0.5)
    return round(100.0 * realised * _PREMIUM * math.exp(0.05 * noise), 2)
