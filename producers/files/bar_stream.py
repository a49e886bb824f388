"""Batches of rows of one file to items: refused rows, whole weeks of bars, and when to give a file up."""

from collections.abc import Iterable, Iterator

import polars as pl

from producers.files.discovery import SourceFile
from producers.files.options import FileOptions
from producers.files.refusal import given_up, too_many
from producers.files.rows import RowReader
from producers.files.spacing import check_spacing
from producers.files.table import Batch
from producers.files.weeks import WeekBuffer
from producers.source import Item, Refused
from shared.contracts.dead_letters import MAX_KEPT_BYTES


def bars_of(
    file: SourceFile,
    batches: Iterable[Batch | Item],
    reader: RowReader,
    options: FileOptions,
    *,
    check: bool = True,
) -> Iterator[Item]:
    """Yield the items of one file.

    Args:
        file: Where the batches come from.
        batches: Its rows, and items that pass through.
        reader: Turns them into bars.
        options: What a person told about the file.
        check: Whether the spacing has to be looked at; the first batch decides.

    Raises:
        PoisonMessageError: the file as a whole is refused; nothing of it was yielded.
    """
    buffer = WeekBuffer(file.origin, options.adjusted)
    read = rejected = 0
    for batch in batches:
        if not isinstance(batch, Batch):
            yield batch
            continue
        rows, refused = reader.read(batch.cells)
        if check:
            check_spacing(rows, file.relative)
            check = False
        yield from _refusals(file, batch, refused)
        read += batch.cells.height
        rejected += refused.height
        yield from buffer.add(rows)
        if too_many(rejected, read, options.reject_share_max):
            yield from buffer.finish()
            yield given_up(file, int(batch.cells["row"].max() or 0), read, rejected)  # type: ignore[arg-type]
            return
    yield from buffer.finish()


def _refusals(file: SourceFile, batch: Batch, refused: pl.DataFrame) -> Iterator[Refused]:
    """Yield the refused rows of a batch with their own bytes."""
    for index, row, reason in refused.iter_rows():
        raw = batch.raw(index)
        yield Refused(file.origin, row, raw[:MAX_KEPT_BYTES], len(raw), reason, "bad_row")
