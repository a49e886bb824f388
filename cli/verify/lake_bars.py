"""One bar object of the lake: does it belong where it lies, is each version there once, is one of them current."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from cli.verify.bar_tables import COLUMNS, VALUES, HashedBars, hashed, instants
from cli.verify.content import UNREADABLE, Hashes, Minutes, distinct, mixed, thursday_of, week_label, weeks_of
from cli.verify.lake_objects import LakeFiles, Listed, UnreadableError

BUCKET: Final = "stock-data"
_NAME: Final = re.compile(r"(?P<ticker>[^/]+)/\d{4}/\d{2}/(?P=ticker)_\d{4}-W\d{2}\.parquet")
_REQUIRED: Final = ("ticker", "timestamp", *VALUES, "known_at", "known_basis", "source", "current")


@dataclass(frozen=True, slots=True)
class Stray:
    """An object, or rows of one, that do not belong where they are."""

    object: str
    reason: str


@dataclass(frozen=True, slots=True)
class LakeWeek:
    """What one (ticker, week) object holds.

    Attributes:
        ticker: Whose bars.
        week: Number of the week (see content.weeks_of).
        rows: Versions of bars.
        minutes: Minutes of the bars, sorted, each once.
        content: Different hashes of content, sorted, of all versions.
        identity: Different hashes of versions, sorted.
        repeated: Rows that are the same version as another row.
        many_current: Bars of which more than one version is current.
        no_current: Bars of which no version is current.
    """

    ticker: str
    week: int
    rows: int
    minutes: Minutes
    content: Hashes
    identity: Hashes
    repeated: int
    many_current: int
    no_current: int


def ticker_in(name: str) -> str | None:
    """Return the ticker that an object's name tells, or None where it is not a bar object's name."""
    found = _NAME.fullmatch(name)
    return found["ticker"] if found else None


def object_name(ticker: str, week: int) -> str:
    """Return where the bars of a ticker and week have to lie."""
    thursday = thursday_of(week)
    return f"{ticker}/{thursday[:4]}/{thursday[5:7]}/{ticker}_{week_label(week)}.parquet"


def read_object(files: LakeFiles, listed: Listed) -> tuple[LakeWeek | None, list[Stray]]:
    """Return what an object of the stock bucket holds, and what of it is astray."""
    if ticker_in(listed.name) is None:
        return None, [Stray(listed.name, "its name is not {ticker}/{year}/{month}/{ticker}_{week}.parquet")]
    try:
        table = files.table(listed, (*COLUMNS, "current"))
    except UnreadableError as error:
        return None, [Stray(listed.name, f"not a whole Parquet file: {error}")]
    missing = [name for name in _REQUIRED if name not in table.column_names or table[name].null_count]
    if missing:
        return None, [Stray(listed.name, f"columns are missing or have nulls: {', '.join(missing)}")]
    if not table.num_rows:
        return None, [Stray(listed.name, "it has no rows")]
    everyone = hashed(table)
    strays = _rows_astray(listed.name, everyone)
    return (None, strays) if strays else (_week_of(everyone[0], table), [])


def _rows_astray(name: str, everyone: list[HashedBars]) -> list[Stray]:
    """Tell of rows whose ticker or time belongs to another object, or to none."""
    between = sum(int((bars.minutes == UNREADABLE).sum()) for bars in everyone)
    if between:
        return [Stray(name, f"{between} rows do not begin on a whole minute")]
    astray: dict[str, int] = {}
    for bars in everyone:
        weeks, counts = np.unique(weeks_of(bars.minutes), return_counts=True)
        for week, count in zip(weeks.tolist(), counts.tolist(), strict=True):
            belongs = object_name(bars.ticker, week)
            if belongs != name:
                astray[belongs] = astray.get(belongs, 0) + count
    return [Stray(name, f"{count} rows belong in {belongs}") for belongs, count in sorted(astray.items())]


def _week_of(bars: HashedBars, table: pa.Table) -> LakeWeek:
    versions = mixed(bars.identity, instants(table["known_at"]).view(np.uint64))
    flags = table["current"].cast(pa.uint8()).to_numpy()
    minutes, current = bars.minutes, flags
    if len(minutes) > 1 and np.diff(minutes).min() <= 0:  # some bars have several versions
        minutes, which = np.unique(bars.minutes, return_inverse=True)
        current = np.bincount(which, weights=flags)
    return LakeWeek(
        ticker=bars.ticker,
        week=int(weeks_of(minutes[:1])[0]),
        rows=table.num_rows,
        minutes=minutes,
        content=distinct(bars.content),
        identity=distinct(bars.identity),
        repeated=int(table.num_rows - distinct(versions).size),
        many_current=int((current > 1).sum()),
        no_current=int((current == 0).sum()),
    )
