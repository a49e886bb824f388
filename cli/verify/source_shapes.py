"""Source files as tables: CSV, CSV.gz, Parquet and Lean's trade zips, read by pyarrow and pandas alone."""

import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cli.verify.content import Minutes, Values
from cli.verify.source_text import read_csv
from cli.verify.source_times import NoZoneError, minutes_of

PRICES: Final = ("open", "high", "low", "close")
VALUES: Final = (*PRICES, "volume")
TIMES: Final = ("timestamp", "datetime", "date_time", "bar_start", "window_start", "open_time", "start_time", "start")
DAYS: Final = ("date", "day")
TIMES_OF_DAY: Final = ("tod", "time_of_day", "timeofday", "time")
LONE_TIMES: Final = ("time", "t", "", "unnamed:_0", "__index_level_0__", "index")
TICKERS: Final = ("ticker", "symbol")
SHORT: Final = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume", "vol": "volume"}
SUFFIXES: Final = (".csv", ".csv.gz", ".txt", ".txt.gz", ".parquet", ".pq", ".zip")
_LEAN_ZONE: Final = ZoneInfo("America/New_York")
_LEAN_SCALE: Final = 10_000


class RefusedFileError(Exception):
    """The file as a whole is not one of 1-minute trade bars; the text says why."""


@dataclass(frozen=True, slots=True)
class RawBars:
    """The rows of a file as they stand there, good and bad.

    Attributes:
        tickers: One name a row, or one for all.
        minutes: UTC minutes, UNREADABLE where there is no such.
        values: open, high, low, close, volume; NaN where the file has no number.
        damage: What ended the file early; empty where nothing did.
    """

    tickers: "str | pd.Series[str]"
    minutes: Minutes
    values: tuple[Values, ...]
    damage: str = ""


def files_below(path: Path) -> list[Path]:
    """Return the data files in a folder, or the file itself, sorted."""
    if path.is_file():
        return [path]
    found = (p for p in path.rglob("*") if p.is_file() and p.name.lower().endswith(SUFFIXES))
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(path).parts))


def read_bars(path: Path, zone: ZoneInfo | None) -> RawBars:
    """Return the rows of one file.

    Raises:
        RefusedFileError: it cannot be read, or does not hold trade bars.
    """
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            return _read_lean(path)
        table, damage = (pq.read_table(path), "") if name.endswith((".parquet", ".pq")) else read_csv(path)
        return replace(_from_table(table, path, zone), damage=damage)
    except NoZoneError as error:
        raise RefusedFileError(str(error)) from error
    except (pa.ArrowException, OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise RefusedFileError(f"cannot be read: {' '.join(str(error).split())[:160]}") from error


def ticker_of(path: Path) -> str:
    """Return the ticker that a path tells: a folder `ticker=AAA`, the file's name, its folder's if that is a date.

    Raises:
        RefusedFileError: it tells none.
    """
    named = [part.partition("=")[2] for part in path.parts if part.lower().startswith(("ticker=", "symbol="))]
    if named:
        return named[-1].upper()
    name = re.sub(r"(\.(csv|txt|gz|parquet|pq|zip))+$", "", path.name, flags=re.IGNORECASE)
    first = re.split(r"[_ ]", name)[0]
    ticker = (path.parent.name if re.fullmatch(r"[\d-]*", first) else first).upper()
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9._=-]{0,31}", ticker):
        raise RefusedFileError(f"its name tells no ticker: {ticker!r}")
    return ticker


def _from_table(table: pa.Table, path: Path, zone: ZoneInfo | None) -> RawBars:
    table = table.rename_columns([_tidy(str(name)) for name in table.column_names])
    names = set(table.column_names)
    if any(name.startswith(("bid", "ask")) for name in names):
        raise RefusedFileError("it holds quotes, not trade bars")
    time, of_day = _times(names)
    missing = [name for name in VALUES if name not in names]
    if time is None or missing:
        raise RefusedFileError(f"columns are missing: {', '.join([*([] if time else ['timestamp']), *missing])}")
    minutes = minutes_of(table[time], zone, table[of_day] if of_day else None)
    ticker = _first(TICKERS, names)
    tickers = ticker_of(path) if ticker is None else table[ticker].cast(pa.string()).to_pandas().str.upper()
    return RawBars(tickers, minutes, tuple(_numbers(table[name]) for name in VALUES))


def _tidy(name: str) -> str:
    """Return a column's name as it is compared: `1. Open` and `O` are open."""
    plain = re.sub(r"^\d+\._?", "", re.sub(r"[\s\-/]+", "_", name.strip().strip("\"'").lower()))
    return SHORT.get(plain, plain)


def _times(names: set[str]) -> tuple[str | None, str | None]:
    """Return the columns of the instant (or date) and of the time of day."""
    instant = _first(TIMES, names)
    if instant:
        return instant, None
    day = _first(DAYS, names)
    return (day, _first(TIMES_OF_DAY, names)) if day else (_first(LONE_TIMES, names), None)


def _first(wanted: Sequence[str], names: set[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _numbers(column: pa.ChunkedArray) -> Values:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        numbers = pd.to_numeric(column.to_pandas(), errors="coerce")
    else:
        numbers = pc.cast(column, pa.float64(), safe=False).to_pandas()
    found: Values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return found


def _read_lean(path: Path) -> RawBars:
    """Return Lean's form: milliseconds since midnight in New York, prices in ten-thousandths, the day in the name."""
    if "_trade" not in path.name:
        raise RefusedFileError("it holds quotes, not trade bars")
    day = datetime.strptime(path.name.split("_")[0], "%Y%m%d").replace(tzinfo=_LEAN_ZONE)
    with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
        frame = pd.read_csv(member, header=None, names=["ms", *VALUES], dtype=np.float64)
    midnight = pd.Timestamp(day).tz_localize(None)
    local = (midnight + pd.to_timedelta(frame["ms"], unit="ms")).dt.tz_localize(_LEAN_ZONE)
    scaled = tuple((frame[name] / _LEAN_SCALE).to_numpy() for name in PRICES)
    instants = pa.chunked_array([pa.Array.from_pandas(local)])
    return RawBars(ticker_of(path), minutes_of(instants, None), (*scaled, frame["volume"].to_numpy()))
