"""A file that is refused as a whole, or given up on the way: it goes to the dead letters, the run goes on."""

from collections.abc import Iterator
from typing import Final

from producers.files.discovery import SourceFile
from producers.source import Fact, Item, Refused
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.errors import PoisonMessageError

_ENOUGH_TO_JUDGE: Final = 1000


def refused_whole(file: SourceFile, items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items`; what makes the whole file unreadable becomes one refused item."""
    try:
        yield from items
    except PoisonMessageError as error:
        yield _refused(file, error.reason, error.error_class)
    except OSError as error:
        yield _refused(file, f"it cannot be read: {error.strerror or error}", "unreadable_file")


def until_too_many(file: SourceFile, facts: Iterator[Item], share: float) -> Iterator[Item]:
    """Yield `facts` and refused rows of a file, until more than `share` of them are refused: then it is given up."""
    read = rejected = 0
    for item in facts:
        yield item
        if isinstance(item, Fact):
            read += 1
        elif isinstance(item, Refused):
            read += item.rows
            rejected += item.rows
            if too_many(rejected, read, share):
                yield given_up(file, item.row, read, rejected)
                return


def too_many(rejected: int, read: int, share: float) -> bool:
    """Return whether more than `share` of the rows read were refused, and enough were read to judge."""
    return read > _ENOUGH_TO_JUDGE and rejected > share * read


def given_up(file: SourceFile, row: int, read: int, rejected: int) -> Refused:
    """Return what tells of a file whose rest is not read."""
    reason = (
        f"given up after row {row:,}: {rejected:,} of {read:,} rows were refused; "
        "the valid ones among them are published, the rest of the file is not read. Mend it and run again"
    )
    return Refused(file.origin, row, b"", file.size, reason, "too_many_refused", rows=0)


def _refused(file: SourceFile, reason: str, error_class: str) -> Refused:
    try:
        head = file.head(MAX_KEPT_BYTES)
    except OSError:
        head = b""
    return Refused(file.origin, 0, head, file.size, reason, error_class, rows=0)
