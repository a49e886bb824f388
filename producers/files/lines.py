"""Text files of any size as blocks of whole lines, in bounded memory; an endless line is passed over, not held."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from shared.contracts.dead_letters import MAX_KEPT_BYTES

BLOCK_BYTES: Final = 4 * 1024 * 1024
MAX_LINE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines; only a file's last may lack its end. `first` is the first one's number, 0 = the file's first."""

    data: bytes
    first: int

    @property
    def lines(self) -> int:
        """Return how many lines it holds."""
        return self.data.count(b"\n") + (not self.data.endswith(b"\n"))


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line of more than MAX_LINE_BYTES: its number, its first 64 KiB and its length in bytes."""

    number: int
    head: bytes
    length: int


class LineSplitter:
    """Cuts pieces of a text at line ends.

    Args:
        block_bytes: About how large a block is to be.
    """

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes
        self._number = 0  # of the first line in the block that grows
        self._whole: list[bytes] = []
        self._whole_size = 0
        self._tail = bytearray()
        self._tail_length = 0

    @property
    def unfinished(self) -> bytes:
        """Return the line that has no end yet, its first MAX_LINE_BYTES."""
        return bytes(self._tail)

    def blocks(self, pieces: Iterable[bytes]) -> Iterator[Block | LongLine]:
        """Yield what is complete; `finish` yields the rest."""
        for piece in pieces:
            for start in range(0, len(piece), MAX_LINE_BYTES):
                yield from self._take(piece[start : start + MAX_LINE_BYTES])

    def finish(self) -> Iterator[Block | LongLine]:
        """Yield the last lines, the one without a line end included."""
        if self._tail_length > MAX_LINE_BYTES:
            yield from self._long_line()
        elif self._tail:
            self._add(bytes(self._tail))
            self._tail.clear()
        yield from self._flush(1)

    def drop_unfinished(self) -> Iterator[Block | LongLine]:
        """Yield the last lines but not the one without a line end: the file was cut in it."""
        self._tail.clear()
        self._tail_length = 0
        yield from self.finish()

    def _take(self, piece: bytes) -> Iterator[Block | LongLine]:
        first = piece.find(b"\n") + 1
        if not first:
            self._extend(piece)
            return
        self._extend(piece[:first])
        if self._tail_length > MAX_LINE_BYTES:
            self._tail_length -= 1  # the line end
            yield from self._long_line()
        else:
            self._add(bytes(self._tail))
        last = piece.rfind(b"\n") + 1
        self._add(piece[first:last])
        self._tail.clear()
        self._tail_length = 0
        self._extend(piece[last:])
        yield from self._flush(self._block_bytes)

    def _extend(self, piece: bytes) -> None:
        self._tail += piece[: MAX_LINE_BYTES - len(self._tail)]
        self._tail_length += len(piece)

    def _add(self, whole: bytes) -> None:
        if whole:
            self._whole.append(whole)
            self._whole_size += len(whole)

    def _flush(self, least: int) -> Iterator[Block]:
        if self._whole_size >= least:
            block = Block(b"".join(self._whole), self._number)
            self._number += block.lines
            self._whole.clear()
            self._whole_size = 0
            yield block

    def _long_line(self) -> Iterator[Block | LongLine]:
        yield from self._flush(1)
        yield LongLine(self._number, bytes(self._tail[:MAX_KEPT_BYTES]), self._tail_length)
        self._number += 1
        self._tail.clear()
        self._tail_length = 0
