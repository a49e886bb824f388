"""The label: the return over the next minutes, executable return beside it. Outcomes use the same functions."""

from typing import Literal

import polars as pl

SessionRule = Literal["regular", "extended"]


def labels(bars: pl.DataFrame, horizon_minutes: int, session: SessionRule = "regular") -> pl.DataFrame:
    """Return the label of each bar.

    Args:
        bars: Columns timestamp (bar start, UTC), close, volume, and open where executable returns are wanted; of one
            ticker, strictly ascending.
        horizon_minutes: H; the label of a bar that closes at d ends at the last bar closing in (d + H - 1 min, d + H].
        session: `regular`: both bars lie in the same regular session; `extended`: on the same session's New York day.

    Returns:
        One row a bar: session_day (Date, null outside sessions), label (return as a fraction, or null), executable
        (the return from the open of the bar one minute later to the same close, or null).

    Raises:
        ContractError: the bars are not strictly ascending.
    """
    raise NotImplementedError


def direction(label: pl.Expr) -> pl.Expr:
    """Return 1 for a rise, 0 for a fall, null for no change or no label (Int8)."""
    raise NotImplementedError
