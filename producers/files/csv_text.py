"""CSV text, plain or gzip: its header, then its rows in batches; any size, any damage."""

from collections.abc import Iterator
from typing import Final

from producers.files import gunzip
from producers.files.csv_table import SEPARATORS, CsvTable, split_line
from producers.files.discovery import SourceFile
from producers.files.lines import Block, LineSplitter, LongLine
from producers.files.table import Batch, Recognise, S
from producers.source import Advanced, Item, Refused
from shared.contracts.dead_letters import MAX_KEPT_BYTES
from shared.errors import PoisonMessageError

_READ: Final = 1024 * 1024


class CsvText:
    """The text of a CSV file: its header, then its rows in batches.

    Args:
        file: Plain or gzip, told by its first bytes.
    """

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._splitter = LineSplitter()
        self._cut = False
        self._pieces = self._whole_lines()
        self._separator = ","
        self._width = 0
        self._header = 0
        self._rest: Block | None = None
        self._last_row = 0
        self._weight_a_byte = 1.0
        self._unfinished = b""

    def header(self, recognise: Recognise[S]) -> S | None:
        """Return what the header tells; None when there is no row behind it.

        Raises:
            PoisonMessageError: the file is empty, corrupt, or its header means nothing.
        """
        first = next((piece for piece in self._pieces if isinstance(piece, LongLine) or piece.data.strip()), None)
        if first is None:
            raise PoisonMessageError("it is empty", "empty_file")
        if isinstance(first, LongLine):
            raise PoisonMessageError(f"its first line has {first.length:,} bytes: no header", "wrong_header")
        header, data, skipped = _cut_header(first.data)
        self._header = first.first + skipped
        shape = self._recognised(header, recognise)
        self._width = shape.width
        if data.strip():
            self._rest = Block(data, self._header + 1)
            return shape
        following = next(self._pieces, None)
        if following is None and not self._cut:
            return None
        self._rest = following if isinstance(following, Block) else None
        if isinstance(following, LongLine):
            self._pieces = _with_first(following, self._pieces)
        return shape

    def batches(self, names: dict[str, int]) -> Iterator[Batch | Item]:
        """Yield the rows behind the header, and what is refused among them as damaged."""
        if self._rest is not None:
            yield from self._batch(self._rest, names)
            self._rest = None
        for piece in self._pieces:
            if isinstance(piece, LongLine):
                self._last_row = piece.number - self._header
                reason = f"the line has {piece.length:,} bytes"
                yield Refused(self._file.origin, self._last_row, piece.head, piece.length, reason, "long_line")
            elif piece.data.strip():
                yield from self._batch(piece, names)
        if self._cut:
            yield self._damage()

    def _batch(self, block: Block, names: dict[str, int]) -> Iterator[Batch | Item]:
        table = CsvTable(block, self._separator, self._width, self._header)
        cells = table.cells(names)
        self._last_row = block.first + block.lines - 1 - self._header
        yield Batch(cells, table.raw)
        yield Advanced(int(len(block.data) * self._weight_a_byte))

    def _recognised(self, header: bytes, recognise: Recognise[S]) -> S:
        error = None
        for separator in SEPARATORS:
            self._separator = separator
            try:
                return recognise(split_line(header, separator))
            except PoisonMessageError as refusal:
                if error is None or refusal.error_class == "quotes":
                    error = refusal
        assert error is not None  # noqa: S101  there is at least one separator
        raise error

    def _whole_lines(self) -> Iterator[Block | LongLine]:
        try:
            yield from self._splitter.blocks(self._content())
        except EOFError:
            self._cut = True
            self._unfinished = self._splitter.unfinished
            yield from self._splitter.drop_unfinished()
        else:
            yield from self._splitter.finish()

    def _content(self) -> Iterator[bytes]:
        if self._file.head(2) == gunzip.MAGIC:
            health, size = gunzip.examine(self._file.path)
            self._weight_a_byte = self._file.size / max(1, size)
            if health is gunzip.Health.CORRUPT:
                reason = "its gzip data are corrupt, so that no row of it can be trusted; get the file again"
                raise PoisonMessageError(reason, "corrupt_file")
            yield from gunzip.expand(self._file.path)
            return
        with self._file.path.open("rb") as content:
            while piece := content.read(_READ):
                yield piece

    def _damage(self) -> Refused:
        left = self._unfinished
        reason = f"the gzip file is truncated after row {self._last_row:,}; all rows up to there are read"
        raw = left[:MAX_KEPT_BYTES]
        return Refused(self._file.origin, self._last_row + 1, raw, len(left), reason, "truncated_file", rows=0)


def _cut_header(data: bytes) -> tuple[bytes, bytes, int]:
    """Return (header line, what is behind it, blank lines before it)."""
    skipped = 0
    while True:
        line, _, data = data.partition(b"\n")
        if line.strip():
            return line, data, skipped
        skipped += 1


def _with_first(first: LongLine, rest: Iterator[Block | LongLine]) -> Iterator[Block | LongLine]:
    yield first
    yield from rest
