"""Times as they stand in source files, turned to UTC minutes: the verifier's own reading, apart from the producers'."""

from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from cli.verify.content import UNREADABLE, Minutes

_NANOSECONDS_A_MINUTE: Final = 60 * 10**9
# An epoch of this many digits and more is in seconds, milliseconds, microseconds or nanoseconds (years 2001 to 2286).
_EPOCH_SCALES: Final = ((10**18, 1), (10**15, 10**3), (10**12, 10**6), (10**9, 10**9))


class NoZoneError(Exception):
    """The file's times have no zone, and none was given."""


def minutes_of(column: pa.ChunkedArray, zone: ZoneInfo | None, time_of_day: pa.ChunkedArray | None = None) -> Minutes:
    """Return UTC minutes since 1970, UNREADABLE where there is none.

    Args:
        column: Text, timestamps, dates or epochs.
        zone: Of times that carry none.
        time_of_day: A second column with the time of the day, where `column` holds dates.

    Raises:
        NoZoneError: the times carry no zone and `zone` is None.
    """
    if time_of_day is not None:
        joined = _as_text(column) + " " + _as_text(time_of_day)
        return _whole_minutes(_zoned(_parsed(joined), zone))
    if pa.types.is_timestamp(column.type):
        return _whole_minutes(_zoned(column.to_pandas(), zone))
    if pa.types.is_integer(column.type):
        return _whole_minutes(_from_epoch(column.to_pandas()))
    return _whole_minutes(_zoned(_parsed(_as_text(column)), zone))


def _as_text(column: pa.ChunkedArray) -> "pd.Series[str]":
    text: pd.Series[str] = column.cast(pa.string()).to_pandas()
    return text


def _parsed(text: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    """Return instants (aware UTC where every readable text carries a zone, else naive)."""
    has_zone = text.str.contains(r"(?:Z|[+-]\d{2}:?\d{2})\s*$", regex=True, na=False)
    if has_zone.any():
        # A file that mixes both has no zone for the rest: those become unreadable, as nothing is guessed.
        return pd.to_datetime(text.where(has_zone), format="ISO8601", utc=True, errors="coerce")
    return pd.to_datetime(text, format="ISO8601", errors="coerce")


def _from_epoch(numbers: "pd.Series[int]") -> "pd.Series[pd.Timestamp]":
    largest = int(numbers.abs().max()) if len(numbers) else 0
    scale = next((scale for least, scale in _EPOCH_SCALES if largest >= least), 10**9)
    return pd.to_datetime(numbers * scale, utc=True, errors="coerce")


def _zoned(instants: "pd.Series[pd.Timestamp]", zone: ZoneInfo | None) -> "pd.Series[pd.Timestamp]":
    if instants.dt.tz is not None or not instants.notna().any():
        return instants
    if zone is None:
        raise NoZoneError("its times carry no zone; give one with --timezone")
    # An hour that the clock shows twice, or never, says nothing about when it was.
    return instants.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")


def _whole_minutes(instants: "pd.Series[pd.Timestamp]") -> Minutes:
    if instants.dt.tz is not None:
        instants = instants.dt.tz_convert("UTC").dt.tz_localize(None)
    missing = instants.isna().to_numpy()
    nanoseconds = instants.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    bad = missing | (nanoseconds % _NANOSECONDS_A_MINUTE != 0)
    return np.where(bad, UNREADABLE, nanoseconds // _NANOSECONDS_A_MINUTE)
