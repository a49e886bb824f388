"""How far apart a file's bars are: only 1-minute bars are taken, and the beginning of a file tells."""

import re
from typing import Final

import numpy as np
import polars as pl

from shared.errors import PoisonMessageError

_MINUTE: Final = 60_000_000
# By chance all gaps of a thinly traded ticker are even with probability 2^-n, multiples of 5 with 5^-n.
_ENOUGH_FOR_FIVE: Final = 10
_ENOUGH: Final = 20
_FIRST_ROWS: Final = 10_000
_NAMED: Final = re.compile(
    r"(?<![a-z0-9])(\d+)?[-_ ]?(min|m|minutes?|h|hours?|hourly|d|days?|daily|s|sec|seconds?)(?![a-z0-9])"
)


def check_spacing(rows: pl.DataFrame, name: str) -> None:
    """Refuse a file of another spacing.

    Args:
        rows: The file's first rows, with `ticker` and `timestamp`.
        name: The file's name; what it says counts where the rows are too few to tell.

    Raises:
        PoisonMessageError: the bars are not 1 minute apart.
    """
    gaps = _gaps(rows)
    if len(gaps) >= _ENOUGH_FOR_FIVE - 1:
        spacing = _spacing(gaps)
        if spacing == _MINUTE:
            return
    else:
        spacing = _named_spacing(name)
        if spacing in (0, _MINUTE) or not len(gaps) or np.any(gaps % spacing):
            return
    reason = f"its bars are {_shown(spacing)} apart; only 1-minute trade bars are taken"
    raise PoisonMessageError(reason, "bad_spacing")


def _gaps(rows: pl.DataFrame) -> np.ndarray:
    """Return the differences of neighbouring times within each ticker, microseconds."""
    times = rows.head(_FIRST_ROWS).select("ticker", "timestamp").unique().sort("ticker", "timestamp")
    gaps = times.select(pl.col("timestamp").cast(pl.Int64).diff().over("ticker")).to_series()
    return gaps.drop_nulls().to_numpy()


def _spacing(gaps: np.ndarray) -> int:
    """Return the spacing of many gaps: a minute unless they say otherwise."""
    values, counts = np.unique(gaps, return_counts=True)
    common = int(values[counts.argmax()])
    if common < _MINUTE:
        return common
    whole = int(np.gcd.reduce(gaps))
    enough = _ENOUGH_FOR_FIVE - 1 if whole >= 5 * _MINUTE else _ENOUGH
    if whole > _MINUTE and len(gaps) >= enough:
        return whole
    # One stray row must not make a minute file of a 5-minute one.
    fits = np.count_nonzero(gaps % common == 0) / len(gaps)
    return common if common >= 5 * _MINUTE and fits >= 0.95 and len(gaps) >= _ENOUGH else _MINUTE


def _named_spacing(name: str) -> int:
    """Return the spacing that a file's name states, microseconds; 0 where it states none."""
    found = _NAMED.search(name.lower())
    if found is None:
        return 0
    unit = {"m": _MINUTE, "h": 60 * _MINUTE, "d": 24 * 60 * _MINUTE, "s": _MINUTE // 60}[found[2][0]]
    return int(found[1] or 1) * unit


def _shown(spacing: int) -> str:
    seconds = spacing / 1_000_000
    if seconds < 60:
        return f"{seconds:g} s"
    minutes = seconds / 60
    return f"{minutes:g} minutes" if minutes < 120 else f"{minutes / 60:g} hours"
