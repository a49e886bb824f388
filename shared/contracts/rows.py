"""The newest feature row of a ticker, as it travels on `features`."""

from typing import Literal

from pydantic import Field

from shared.contracts.facts import Name
from shared.contracts.messages import Instant, Message


class FeatureRow(Message):
    """One row of the feature table, made from everything that was known at `as_of` and nothing later.

    `timestamp` is the bar's start; `close` its raw close. `values` are 32-bit floats by feature name, null where a
    feature has no value. `row_hash` is shared.features.rows.row_hash of the rest: equal rows have equal hashes.
    `replayed` marks bars of the past that were played as if live.
    """

    ticker: Name
    timestamp: Instant
    revision: int = Field(ge=1)
    as_of: Instant
    made_at: Instant
    feature_set: str = Field(min_length=1)
    close: float = Field(gt=0)
    session: Literal["regular", "extended"]
    simulated: bool
    replayed: bool = False
    values: dict[str, float | None]
    row_hash: str = Field(pattern=r"^[0-9a-f]{32}$")
