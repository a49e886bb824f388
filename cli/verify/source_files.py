"""What a set of source files holds: good bars by ticker and week, and each file's account of what it does not give."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from cli.verify.content import UNREADABLE, Hashes, Minutes, Values, content_hashes, distinct
from cli.verify.source_shapes import RawBars, RefusedFileError, files_below, read_bars
from cli.verify.tally import Tally
from shared.contracts.calendar import NEW_YORK
from shared.errors import ConfigurationError
from shared.ports import NoProgress, Progress

# A set of other spacing is told from a thin 1-minute one by nearly all gaps being multiples of the usual one.
_ENOUGH_TO_JUDGE: Final = 10
_MOST: Final = 0.95
_LONGEST_SPACING: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class FileAccount:
    """What one file held: `rows` in all, of which `rejected` are no bars; why it, or its end, was refused."""

    path: str
    rows: int = 0
    rejected: int = 0
    refused: str = ""


@dataclass
class SourceBars:
    """The good bars of all files, the account of each file, and the first and last minute that has a bar."""

    bars: Tally = field(default_factory=Tally)
    files: list[FileAccount] = field(default_factory=list)
    first: int | None = None
    last: int | None = None

    def add(self, ticker: str, minutes: Minutes, hashes: Hashes) -> None:
        """Add good bars."""
        self.bars.add(ticker, minutes, hashes)
        if len(minutes):
            first, last = int(minutes.min()), int(minutes.max())
            self.first = first if self.first is None else min(first, self.first)
            self.last = last if self.last is None else max(last, self.last)


@dataclass(frozen=True, slots=True)
class Source:
    """Source files to compare with.

    Attributes:
        path: A file or a folder.
        zone: Of times that carry none.
        tickers: Only these; None = all.
        since: Only bars from this minute on; None = from the first.
        until: Only bars before this minute; None = to the last.
    """

    path: Path
    zone: ZoneInfo | None = None
    tickers: frozenset[str] | None = None
    since: int | None = None
    until: int | None = None


def midnight(day: date) -> int:
    """Return the minute with which a New York date begins, as `since` and `until` count them."""
    return int(datetime.combine(day, datetime.min.time(), NEW_YORK).timestamp()) // 60


def read_source(source: Source, progress: Progress | None = None) -> SourceBars:
    """Read every file, 8 bytes a bar kept.

    Args:
        source: What to read.
        progress: Told of each file.

    Raises:
        ConfigurationError: there is nothing there.
    """
    paths = files_below(source.path) if source.path.exists() else []
    if not paths:
        raise ConfigurationError(f"no CSV, Parquet or zip files at {source.path}; give the path of the bars.")
    found, progress = SourceBars(), progress or NoProgress()
    for number, file in enumerate(paths):
        progress.update(number, len(paths), file.name)
        found.files.append(_read_file(file, source, found))
    progress.update(len(paths), len(paths), "")
    return found


def _read_file(file: Path, source: Source, found: SourceBars) -> FileAccount:
    try:
        raw = read_bars(file, source.zone)
        parts = [part for part in _by_ticker(raw) if source.tickers is None or part[0] in source.tickers]
        for _, minutes, _ in parts:
            _check_spacing(minutes)
    except RefusedFileError as error:
        return FileAccount(str(file), refused=str(error))
    rows = rejected = 0
    for ticker, minutes, values in parts:
        good = is_bar(minutes, values)
        rejected += int((~good).sum())
        if source.since is not None:
            good &= minutes >= source.since
        if source.until is not None:
            good &= minutes < source.until
        rows += int(good.sum())
        kept = tuple(column[good] for column in values)
        found.add(ticker, minutes[good], content_hashes(ticker, minutes[good], kept))
    return FileAccount(str(file), rows + rejected, rejected, raw.damage)


def _by_ticker(raw: RawBars) -> Iterator[tuple[str, Minutes, tuple[Values, ...]]]:
    if isinstance(raw.tickers, str):
        yield raw.tickers, raw.minutes, raw.values
        return
    for ticker, rows in raw.tickers.groupby(raw.tickers, sort=True).indices.items():
        yield str(ticker), raw.minutes[rows], tuple(column[rows] for column in raw.values)


def _check_spacing(minutes: Minutes) -> None:
    known = distinct(minutes[minutes != UNREADABLE])
    if len(known) < _ENOUGH_TO_JUDGE:
        return
    gaps = np.diff(known)
    usual = int(np.bincount(gaps[gaps <= _LONGEST_SPACING]).argmax()) if (gaps <= _LONGEST_SPACING).any() else 0
    if usual > 1 and np.mean(gaps % usual == 0) >= _MOST:
        raise RefusedFileError(f"its bars are {usual} minutes apart, not 1")


def is_bar(minutes: Minutes, values: tuple[Values, ...]) -> np.ndarray:
    """Return which rows are valid bars by the public contract."""
    opened, high, low, closed, volume = values
    prices = np.stack([opened, high, low, closed])
    with np.errstate(invalid="ignore"):
        positive = (np.isfinite(prices) & (prices > 0)).all(axis=0)
        spanned = (high >= np.maximum(opened, closed)) & (low <= np.minimum(opened, closed)) & (high >= low)
        good: np.ndarray = (minutes != UNREADABLE) & positive & spanned & np.isfinite(volume) & (volume >= 0)
    return good
