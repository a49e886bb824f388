"""A file that is refused as a whole: its first bytes and the reason go to the dead letters, the run goes on."""

from collections.abc import Iterator

from producers.files.discovery import SourceFile
from producers.source import Item, Refused
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.errors import PoisonMessageError


def refused_whole(file: SourceFile, items: Iterator[Item]) -> Iterator[Item]:
    """Yield `items`; what makes the whole file unreadable becomes one refused item."""
    try:
        yield from items
    except PoisonMessageError as error:
        yield _refused(file, error.reason, error.error_class)
    except OSError as error:
        yield _refused(file, f"it cannot be read: {error.strerror or error}", "unreadable_file")


def _refused(file: SourceFile, reason: str, error_class: str) -> Refused:
    try:
        head = file.head(MAX_KEPT_BYTES)
    except OSError:
        head = b""
    return Refused(file.origin, 0, head, file.size, reason, error_class, rows=0)
