"""Helpers of these tests: write a file, read it through the source, look at what came."""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from producers.files.options import FileOptions
from producers.files.stock import StockFiles
from producers.source import Bars, Fact, Item, Note, Refused, Source
from shared.contracts.bars import BAR_COLUMNS

NEW_YORK = FileOptions(timezone="America/New_York")
HEADER = "timestamp,open,high,low,close,volume"


@dataclass(frozen=True)
class Outcome:
    """What a source gave for all of its units."""

    bars: pl.DataFrame
    items: list[Bars]
    refused: list[Refused]
    notes: list[Note]
    facts: list[Fact]

    @property
    def duplicates(self) -> int:
        return sum(item.duplicates for item in self.items)

    @property
    def faults(self) -> list[Refused]:
        """Whole files, or damage in them."""
        return [r for r in self.refused if r.rows == 0]

    @property
    def rows(self) -> list[Refused]:
        return [r for r in self.refused if r.rows]


def outcome(source: Source) -> Outcome:
    items: list[Item] = [item for unit in source.units() for item in source.read(unit)]
    bars = [i for i in items if isinstance(i, Bars)]
    frame = pl.concat([b.frame for b in bars]) if bars else pl.DataFrame(schema=BAR_COLUMNS)
    return Outcome(
        frame,
        bars,
        [i for i in items if isinstance(i, Refused)],
        [i for i in items if isinstance(i, Note)],
        [i for i in items if isinstance(i, Fact)],
    )


def read(root: Path, options: FileOptions = NEW_YORK) -> Outcome:
    return outcome(StockFiles(root, options))


def write(path: Path, text: str | bytes) -> Path:
    """Write a file, gzip if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data, mtime=0) if path.name.endswith(".gz") else data)
    return path


def minutes(count: int, day: str = "2025-01-06", first: int = 9 * 60 + 30) -> Iterator[str]:
    for minute in range(first, first + count):
        yield f"{day} {minute // 60:02d}:{minute % 60:02d}:00"


def csv(rows: Sequence[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def plain_rows(count: int, **more: Any) -> list[str]:
    """Valid rows of consecutive minutes."""
    return [f"{time},10.0,11.0,9.5,10.5,{100 + i}" for i, time in enumerate(minutes(count, **more))]
