"""Every feature, in the order of the columns. docs/features.md is made from it."""

import hashlib
from typing import Final

from shared.features.bench import START_UP_BARS
from shared.features.feature import Feature
from shared.features.groups import (
    actions,
    atr,
    bollinger,
    fundamental,
    macd,
    macro,
    momentum,
    moving_averages,
    multi_timeframe,
    regime,
    risk,
    rsi,
    session,
    statistical,
    stochastic,
    volume,
)
from shared.features.higher import START_UP as START_UP_HIGHER

START_UP_WEEKS: Final = 6
"""The anchor of an ISO week: its rows are made from the bars of so many weeks before it, and its own."""

CATALOGUE: Final[tuple[Feature, ...]] = (
    *moving_averages.FEATURES,
    *bollinger.FEATURES,
    *rsi.FEATURES,
    *macd.FEATURES,
    *atr.FEATURES,
    *stochastic.FEATURES,
    *volume.FEATURES,
    *momentum.FEATURES,
    *statistical.FEATURES,
    *risk.FEATURES,
    *regime.FEATURES,
    *multi_timeframe.FEATURES,
    *session.FEATURES,
    *macro.FEATURES,
    *fundamental.FEATURES,
    *actions.FEATURES,
)

NAMES: Final = tuple(feature.name for feature in CATALOGUE)
"""Columns, in order."""

MODEL_FEATURES: Final = tuple(feature.name for feature in CATALOGUE if feature.scale_free)
"""What models are fed with, in order."""


START_UP: Final = (START_UP_WEEKS, START_UP_BARS, START_UP_HIGHER)
"""What features are started up with: weeks, minute bars and higher bars before a week. Another one, other values."""


def _digest(features: tuple[Feature, ...], start_up: tuple[int, ...] = START_UP) -> str:
    content = (start_up, [(f.name, f.version, f.timeframe, f.start_up) for f in features])
    return hashlib.sha256(repr(content).encode()).hexdigest()


FEATURE_SET: Final = "f" + _digest(CATALOGUE)[:8]
"""The name of this set of features: another one whenever a feature, or what starts it up, changes."""
