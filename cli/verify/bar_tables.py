"""Arrow tables of bars, as they come from a topic or a lake object, turned to hashes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cli.verify.content import UNREADABLE, Hashes, Minutes, content_hashes, float_bits, mixed, text_hash

VALUES: Final = ("open", "high", "low", "close", "volume")
_TEXTS: Final = ("source", "feed", "known_basis")
_FLAGS: Final = ("adjusted", "simulated")
COLUMNS: Final = ("ticker", "timestamp", *VALUES, "trade_count", "vwap", "known_at", *_TEXTS, *_FLAGS)
"""What the verifier needs of a bar."""

_MICROSECONDS_A_MINUTE: Final = 60 * 10**6
_NULL: Final = np.uint64(0x6E756C6C)


@dataclass(frozen=True, slots=True)
class HashedBars:
    """Bars of one ticker, in the order of the table.

    Attributes:
        ticker: Whose.
        minutes: Start of each, UTC minutes since 1970.
        content: Hash over ticker, minute, open, high, low, close, volume.
        identity: Hash over that and all else a source says: which version it is. A nominal known_at does not count:
            it is a rule's result, and the lake moves it where a second version comes.
    """

    ticker: str
    minutes: Minutes
    content: Hashes
    identity: Hashes


def hashed(table: pa.Table) -> list[HashedBars]:
    """Return the table's bars by ticker (in practice one)."""
    names = pc.unique(table["ticker"]).to_pylist()
    if len(names) == 1:
        return [_hashed(names[0], table)]
    return [_hashed(name, table.filter(pc.equal(table["ticker"], name))) for name in sorted(names, key=str)]


def _hashed(ticker: str, table: pa.Table) -> HashedBars:
    minutes = whole_minutes(table["timestamp"])
    values = tuple(_floats(table, name) for name in VALUES)
    content = content_hashes(ticker, minutes, values)
    identity = mixed(content, float_bits(_floats(table, "vwap")))
    identity = mixed(identity, float_bits(_floats(table, "trade_count")))
    for name in _TEXTS:
        identity = mixed(identity, _labels(table, name))
    for name in _FLAGS:
        identity = mixed(identity, _flags(table, name))
    identity = mixed(identity, _observed_known(table))
    return HashedBars(ticker, minutes, content, identity)


def _observed_known(table: pa.Table) -> Hashes:
    """Return known_at as bits where it was observed, else 0."""
    observed = pc.fill_null(pc.equal(table["known_basis"], "observed"), False).to_numpy()
    bits: Hashes = np.where(observed, instants(table["known_at"]), 0).view(np.uint64)
    return bits


def instants(column: pa.ChunkedArray) -> np.ndarray:
    """Return microseconds since 1970 of a column without nulls."""
    found: np.ndarray = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    return found


def whole_minutes(column: pa.ChunkedArray) -> Minutes:
    """Return UTC minutes since 1970, UNREADABLE for an instant that is not on one."""
    minutes, rest = np.divmod(instants(column), _MICROSECONDS_A_MINUTE)
    whole: Minutes = np.where(rest == 0, minutes, UNREADABLE)
    return whole


def _floats(table: pa.Table, name: str) -> np.ndarray:
    """Return a column of numbers; missing (in a row, or the column as a whole) is NaN."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    found: np.ndarray = table[name].cast(pa.float64()).to_numpy()
    return found


def _labels(table: pa.Table, name: str) -> Hashes:
    """Return a hash a row of a text or flag column; missing has a hash of its own."""
    if name not in table.column_names:
        return np.full(table.num_rows, _NULL, dtype=np.uint64)
    encoded = table[name].combine_chunks().dictionary_encode()
    known = np.array([text_hash(text) for text in encoded.dictionary.to_pylist()] + [_NULL], dtype=np.uint64)
    if len(known) == 2 and not encoded.null_count:  # one text in every row, as almost always
        return np.full(table.num_rows, known[0], dtype=np.uint64)
    found: Hashes = known[encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)]
    return found


def _flags(table: pa.Table, name: str) -> Hashes:
    """Return 1, 0 or, for missing, the hash of missing a row."""
    if name not in table.column_names:
        return np.full(table.num_rows, _NULL, dtype=np.uint64)
    numbers: Hashes = table[name].cast(pa.uint64()).fill_null(int(_NULL)).to_numpy()
    return numbers
