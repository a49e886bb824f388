"""Header recognition: which column of a file is which field of a bar. Only names whose meaning is sure are taken."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.errors import PoisonMessageError

PRICES: Final = ("open", "high", "low", "close")
INSTANTS: Final = (
    "timestamp",
    "datetime",
    "date_time",
    "bar_start",
    "window_start",
    "open_time",
    "start_time",
    "start",
)
TIMES_OF_DAY: Final = ("tod", "time_of_day", "timeofday", "time")
# A column whose name says nothing: where pandas puts its index.
UNNAMED: Final = ("", "unnamed:_0", "__index_level_0__", "index")
SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "ticker": ("ticker", "symbol"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v"),
    # `average` and `wap` are what Interactive Brokers calls a bar's volume-weighted price.
    "vwap": ("vwap", "vw", "average", "wap"),
    "trade_count": ("trade_count", "trades", "n", "transactions", "num_trades", "number_of_trades", "barcount"),
}
_WANTED: Final = "wanted are timestamp (or datetime, or date and time), open, high, low, close, volume"


@dataclass(frozen=True, slots=True)
class Shape:
    """Where things are in a file: positions of columns, 0 = first.

    Attributes:
        time: Position of the instant, or of the date where `time_of_day` has the rest.
        time_of_day: Position of the time of day, or None.
        fields: Position by field of a bar; the optional ones may be absent.
        width: How many columns the file has.
    """

    time: int
    time_of_day: int | None
    fields: dict[str, int]
    width: int

    @property
    def names(self) -> dict[str, int]:
        """Return the positions of all columns that are read, by `time`, `time_of_day` and the fields."""
        names = {"time": self.time, **self.fields}
        return names if self.time_of_day is None else names | {"time_of_day": self.time_of_day}


def normal_name(name: str) -> str:
    """Return a column's name as it is compared: `1. Open` is open, `Date Time` is date_time."""
    name = re.sub(r"[\s\-/]+", "_", name.strip().strip("\ufeff\"'").strip().lower())
    return re.sub(r"^\d+\._?", "", name)


def recognise(header: Sequence[str]) -> Shape:
    """Return the shape that a header tells.

    Raises:
        PoisonMessageError: a column is missing, or these are quotes and not bars.
    """
    names = [normal_name(name) for name in header]
    shown = ",".join(header)[:120]
    if any(re.search(r"(^|_)(bid|ask)(_|$|size|price)", name) for name in names):
        raise PoisonMessageError(f"these are quotes (header '{shown}'); only 1-minute trade bars are taken", "quotes")
    fields = {field: position for field, among in SYNONYMS.items() if (position := _find(names, among)) is not None}
    when = _time_columns(names)
    missing = [name for name in (*PRICES, "volume") if name not in fields]
    if when is None:
        missing.insert(0, "the time")
    if when is None or missing:
        raise PoisonMessageError(
            f"no column for {', '.join(missing)} in the header '{shown}'; {_WANTED}", "wrong_header"
        )
    return Shape(*when, fields, len(names))


def _find(names: list[str], among: Sequence[str]) -> int | None:
    return next((names.index(name) for name in among if name in names), None)


def _time_columns(names: list[str]) -> tuple[int, int | None] | None:
    """Return (position of the instant or date, position of the time of day)."""
    instant = _find(names, INSTANTS)
    if instant is not None:
        return instant, None
    date, time_of_day = _find(names, ("date", "day")), _find(names, TIMES_OF_DAY)
    if date is not None:
        return date, time_of_day
    lone = _find(names, ("time", "t", *UNNAMED))
    return None if lone is None else (lone, None)
