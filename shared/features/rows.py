"""A feature row by itself: its hash, its message on `features`, and its values as a model takes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shared.contracts.rows import FeatureRow


def row_hash(ticker: str, timestamp: datetime, feature_set: str, close: float, values: Sequence[float | None]) -> str:
    """Return 32 hex digits: BLAKE2b over the canonical bytes of a row, equal for equal rows on any platform.

    Args:
        ticker: Whose.
        timestamp: Start of the bar, aware.
        feature_set: The name of the set of features.
        close: Raw close.
        values: One for each feature of the set, in catalogue order, counted as 32-bit floats; None where null.
    """
    raise NotImplementedError


def to_message(row: Mapping[str, object], revision: int, made_at: datetime, replayed: bool) -> FeatureRow:
    """Return the message of one row of `compute_week` (a dict of RESULT_COLUMNS)."""
    raise NotImplementedError


def values_vector(row: FeatureRow, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the values of `names` in order; NaN where null.

    Raises:
        ContractError: the row does not have one of the features.
    """
    raise NotImplementedError
