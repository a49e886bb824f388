"""A feature row by itself: its hash, its message on `features`, and its values as a model takes them."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.contracts.rows import FeatureRow
from shared.errors import ContractError
from shared.features.arrays import instant_us
from shared.features.catalogue import FEATURE_SET, NAMES

_DIGEST_BYTES: Final = 16


def row_hash(ticker: str, timestamp: datetime, feature_set: str, close: float, values: Sequence[float | None]) -> str:
    """Return 32 hex digits: BLAKE2b over the canonical bytes of a row, equal for equal rows on any platform.

    Args:
        ticker: Whose.
        timestamp: Start of the bar, aware.
        feature_set: The name of the set of features.
        close: Raw close.
        values: One for each feature of the set, in catalogue order, counted as 32-bit floats; None where null.
    """
    present = np.array([value is not None and value == value for value in values], np.bool_)  # NaN is a null, too
    numbers = np.array([value if there else 0.0 for value, there in zip(values, present, strict=True)], "<f4")
    hashed = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for text in (ticker, feature_set):
        hashed.update(struct.pack("<q", len(text.encode())) + text.encode())
    hashed.update(struct.pack("<qdq", instant_us(timestamp.astimezone(UTC)), close, len(values)))
    hashed.update(np.packbits(present, bitorder="little").tobytes())
    hashed.update((numbers + np.float32(0)).tobytes())  # minus zero counts as zero
    return hashed.hexdigest()


def to_message(row: Mapping[str, Any], revision: int, made_at: datetime, replayed: bool) -> FeatureRow:
    """Return the message of one row of `compute_week`.

    Args:
        row: RESULT_COLUMNS by name, as `DataFrame.to_dicts` or `row(named=True)` gives them; further ones are ignored.
        revision: Which version of the row, from 1.
        made_at: When it was made, aware.
        replayed: Whether its bar is one of the past, played as if live.
    """
    values: dict[str, float | None] = {name: row[name] for name in NAMES}
    return FeatureRow(
        ticker=row["ticker"],
        timestamp=row["timestamp"],
        revision=revision,
        as_of=row["as_of"],
        made_at=made_at,
        feature_set=FEATURE_SET,
        close=row["close"],
        session=row["session"],
        simulated=row["simulated"],
        replayed=replayed,
        values=values,
        row_hash=row_hash(row["ticker"], row["timestamp"], FEATURE_SET, row["close"], list(values.values())),
    )


def values_vector(row: FeatureRow, names: Sequence[str]) -> NDArray[np.float32]:
    """Return the values of `names` in order; NaN where null.

    Raises:
        ContractError: the row does not have one of the features.
    """
    try:
        return np.array([row.values[name] for name in names], np.float32)  # None becomes NaN
    except KeyError as error:
        raise ContractError(
            f"the feature row of {row.ticker} at {row.timestamp:%Y-%m-%d %H:%M} has no feature {error.args[0]}: it is "
            f"of the feature set {row.feature_set}. Train and serve one feature set."
        ) from None
