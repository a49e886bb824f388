"""Gzip in bounded steps, and what is wrong with a damaged one, known before its first row is used."""

import zlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final

MAGIC: Final = b"\x1f\x8b"
STEP: Final = 1024 * 1024
_READ: Final = 128 * 1024
_GZIP: Final = 31  # zlib's code for a gzip header and trailer


class Health(Enum):
    """State of a gzip file."""

    SOUND = "sound"
    TRUNCATED = "truncated"
    """It ends early: what comes out up to there is right."""
    CORRUPT = "corrupt"
    """Bits are wrong: nothing that comes out can be trusted."""


def examine(path: Path) -> tuple[Health, int]:
    """Return the state of a gzip file, by expanding it once, its checksums included, and the bytes that come out."""
    size = 0
    try:
        for piece in expand(path):
            size += len(piece)
    except EOFError:
        return Health.TRUNCATED, size
    except zlib.error:
        return Health.CORRUPT, size
    return Health.SOUND, size


def expand(path: Path) -> Iterator[bytes]:
    """Yield the content of a gzip file of one or more members in pieces of at most STEP bytes.

    Raises:
        EOFError: after its last byte, when the file is truncated.
        zlib.error: its bits are wrong.
    """
    with path.open("rb") as file:
        left = file.read(_READ)
        while left:
            member = zlib.decompressobj(_GZIP)
            while not member.eof:
                data = member.unconsumed_tail or left or file.read(_READ)
                left = b""
                piece = member.decompress(data, STEP)
                if piece:
                    yield piece
                elif not data and not member.eof:
                    raise EOFError(path)
            left = (member.unused_data or file.read(_READ)).lstrip(b"\0")  # zeros may pad the end
            while not left and (more := file.read(_READ)):
                left = more.lstrip(b"\0")
