"""The slow facts beside the bars: macro vintages, filings and corporate actions, every version of them."""

from dataclasses import dataclass
from typing import Final

import polars as pl

from shared.contracts.lake import ACTIONS, FUNDAMENTALS, MACRO


@dataclass(frozen=True, slots=True)
class Context:
    """All versions in the lake's columns, `known_at` among them, in any order.

    `filings` and `actions` are of the one ticker whose features are made; a filing's statement fields are further
    columns, as the source names them (String, Float64 or Boolean).
    """

    macro: pl.DataFrame
    filings: pl.DataFrame
    actions: pl.DataFrame


EMPTY_CONTEXT: Final = Context(
    pl.DataFrame(schema=MACRO.lake_columns),
    pl.DataFrame(schema=FUNDAMENTALS.lake_columns),
    pl.DataFrame(schema=ACTIONS.lake_columns),
)
"""Nothing is known."""
