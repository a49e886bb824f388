"""Features of the group."""

from typing import Final

from shared.features.feature import Feature

FEATURES: Final[tuple[Feature, ...]] = ()
