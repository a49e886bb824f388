"""The content of bars as 64-bit hashes whose sum does not depend on order: what makes two sets of bars comparable."""

import hashlib
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Minutes = npt.NDArray[np.int64]
"""Minutes since 1970-01-01 00:00 UTC."""
Values = npt.NDArray[np.float64]
Whole = TypeVar("Whole", np.uint64, np.int64)

UNREADABLE: Final = np.iinfo(np.int64).min
"""Stands for a time that cannot be read, or that does not lie on a whole minute."""

MINUTES_A_WEEK: Final = 7 * 24 * 60
# 1970-01-01 was a Thursday: the Monday before lies three days earlier.
_MONDAY: Final = 3 * 24 * 60
# Constants of splitmix64 (Steele, Lea, Flood 2014).
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST: Final = np.uint64(31)


def mixed(state: Hashes, column: Hashes) -> Hashes:
    """Return `state` with one more column mixed in; order of columns matters, order of rows does not."""
    value = (state ^ column) + _STEP
    for shift, factor in _MIX:
        value = (value ^ (value >> shift)) * factor
    mixed_in: Hashes = value ^ (value >> _LAST)
    return mixed_in


def text_hash(text: str) -> np.uint64:
    """Return 64 bits that stand for a text, the same on every machine."""
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def float_bits(values: Values) -> Hashes:
    """Return the bits of the numbers; -0.0 counts as 0.0 and every NaN as one."""
    tidy = np.where(np.isnan(values), np.nan, values + 0.0)
    return np.ascontiguousarray(tidy, dtype=np.float64).view(np.uint64)


def content_hashes(ticker: str, minutes: Minutes, ohlcv: tuple[Values, ...]) -> Hashes:
    """Return one hash a bar over (ticker, minute, open, high, low, close, volume).

    Args:
        ticker: Its name.
        minutes: Start of each bar.
        ohlcv: The five columns, in this order.
    """
    state = np.full(len(minutes), text_hash(ticker), dtype=np.uint64)
    state = mixed(state, np.ascontiguousarray(minutes, dtype=np.int64).view(np.uint64))
    for column in ohlcv:
        state = mixed(state, float_bits(column))
    return state


def distinct(values: npt.NDArray[Whole]) -> npt.NDArray[Whole]:
    """Return the different hashes or minutes, sorted."""
    # Several times faster here than np.unique, which hashes.
    ordered = np.sort(values)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(ordered) else ordered


def digest(hashes: Hashes) -> str:
    """Return the hash of a set of bars: the sum of its rows' hashes modulo 2^64, as 16 hex digits."""
    return f"{int(np.sum(hashes, dtype=np.uint64)):016x}"


def weeks_of(minutes: Minutes) -> npt.NDArray[np.int64]:
    """Return the number of the ISO week (Monday 00:00 UTC to Monday) of each minute; 0 holds 1970-01-01."""
    return (minutes + _MONDAY) // MINUTES_A_WEEK


def week_label(week: int) -> str:
    """Return `2026-W07` for a week's number."""
    monday = np.datetime64(week * MINUTES_A_WEEK - _MONDAY, "m").astype("datetime64[D]").item()
    year, number, _ = monday.isocalendar()
    return f"{year}-W{number:02d}"


def thursday_of(week: int) -> str:
    """Return the date of the week's Thursday, ISO 8601."""
    return str(np.datetime64(week * MINUTES_A_WEEK, "m").astype("datetime64[D]"))
