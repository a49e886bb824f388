"""Lean's minute trade zips: milliseconds since midnight in New York, prices times 10,000, ticker and date in paths."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

import polars as pl

from producers.files.bar_stream import bars_of
from producers.files.csv_table import CsvTable
from producers.files.discovery import SourceFile
from producers.files.lines import Block, LineSplitter, LongLine
from producers.files.options import FileOptions
from producers.files.rows import RowReader
from producers.files.table import Batch
from producers.files.tickers import ticker_of_path
from producers.source import Item, Note, Refused
from shared.errors import PoisonMessageError

PRICE_SCALE: Final = 10_000
ZONE: Final = "America/New_York"
_NAME: Final = re.compile(r"(\d{8})_(trade|quote|openinterest)\.zip", re.IGNORECASE)
_COLUMNS: Final = {"time_of_day": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5}
_READ: Final = 1024 * 1024


def read_lean_bars(file: SourceFile, options: FileOptions) -> Iterator[Item]:
    """Yield the bars of one trade zip; a quote zip beside it is noted and passed over.

    Raises:
        PoisonMessageError: the file as a whole is refused.
    """
    name = _NAME.fullmatch(PurePosixPath(file.relative).name)
    if name is None:
        raise PoisonMessageError("only Lean's zips (YYYYMMDD_trade.zip) are read; unpack it first", "unknown_zip")
    if name[2].lower() != "trade":
        yield Note(file.origin, f"skipped: it holds {name[2].lower()}s; only 1-minute trade bars are taken")
        return
    try:
        day = datetime.strptime(name[1], "%Y%m%d")  # noqa: DTZ007  a date; its zone is applied to each row
    except ValueError:
        raise PoisonMessageError(f"its name says {name[1]}, which is no date", "bad_time") from None
    ticker = options.ticker or ticker_of_path(PurePosixPath(file.relative).parent.joinpath("20000101.zip").as_posix())
    reader = RowReader(_in_new_york(options), ticker, PRICE_SCALE)
    # Lean keeps minutes in a tree of their own; a day of a thin ticker is too short to judge.
    yield from bars_of(file, _batches(file, day), reader, options, check=False)


def _in_new_york(options: FileOptions) -> FileOptions:
    return replace(options, timezone=ZONE)


def _batches(file: SourceFile, day: datetime) -> Iterator[Batch | Item]:
    splitter = LineSplitter()
    try:
        with zipfile.ZipFile(file.path) as archive:
            inner = _minute_file(archive)
            with archive.open(inner) as content:
                pieces = iter(lambda: content.read(_READ), b"")
                for piece in (*splitter.blocks(pieces), *splitter.finish()):
                    yield _long(file, piece) if isinstance(piece, LongLine) else _batch(piece, day)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise PoisonMessageError(f"its zip data are damaged ({error}); get the file again", "corrupt_file") from None


def _minute_file(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    found = [info for info in archive.infolist() if info.filename.lower().endswith(".csv")]
    if len(found) != 1:
        raise PoisonMessageError(f"it holds {len(found)} CSV files and not one", "unknown_zip")
    if re.search(r"_(second|tick|hour|daily)_", found[0].filename.lower()):
        raise PoisonMessageError(f"it holds {found[0].filename}; only 1-minute trade bars are taken", "bad_spacing")
    return found[0]


def _long(file: SourceFile, line: LongLine) -> Refused:
    reason = f"the line has {line.length:,} bytes"
    return Refused(file.origin, line.number + 1, line.head, line.length, reason, "long_line")


def _batch(block: Block, day: datetime) -> Batch:
    table = CsvTable(block, ",", len(_COLUMNS), header=-1)
    cells = table.cells(_COLUMNS)
    since_midnight = pl.duration(milliseconds=pl.col("time_of_day").cast(pl.Int64, strict=False), time_unit="us")
    # Wall-clock time, as on the exchange: on a day of changing clocks midnight plus a duration is not it.
    cells = cells.with_columns((pl.lit(day).cast(pl.Datetime("us")) + since_midnight).alias("time"))
    return Batch(cells.drop("time_of_day"), table.raw)
