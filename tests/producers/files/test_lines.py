"""The line splitter against Python's own bytes.split."""

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from producers.files import lines
from producers.files.lines import MAX_LINE_BYTES, Block, LineSplitter, LongLine

TEXT = st.binary(max_size=200) | st.lists(st.sampled_from([b"a,b", b"\n", b"\r\n", b"", b"xyz"])).map(b"".join)


@given(TEXT, st.lists(st.integers(0, 200)), st.integers(1, 64))
@example(b"a\nb", [1, 2], 1)
def test_splitter_any_pieces_gives_every_line_with_its_number(text: bytes, cuts: list[int], block_bytes: int) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    splitter = LineSplitter(block_bytes)

    blocks = [*splitter.blocks(pieces), *splitter.finish()]

    assert all(isinstance(block, Block) for block in blocks)
    assert b"".join(block.data for block in blocks if isinstance(block, Block)) == text
    number = 0
    for block in blocks:
        assert isinstance(block, Block)
        assert block.first == number
        number += len(block.data.removesuffix(b"\n").split(b"\n"))
        assert number == block.first + block.lines


def test_splitter_endless_line_is_told_by_head_and_length_and_not_held() -> None:
    splitter = LineSplitter()
    endless = (b"x" * MAX_LINE_BYTES for _ in range(50))
    pieces = [b"header\n", *endless, b"yz\nafter\nlast"]

    found = [*splitter.blocks(pieces), *splitter.finish()]

    assert found == [
        Block(b"header\n", 0),
        LongLine(1, b"x" * 64 * 1024, 50 * MAX_LINE_BYTES + 2),
        Block(b"after\nlast", 2),
    ]


def test_splitter_endless_line_never_holds_more_than_the_longest_line() -> None:
    splitter = LineSplitter()
    for _ in range(8):
        assert list(splitter.blocks([b"x" * lines.MAX_LINE_BYTES])) == []
        assert len(splitter.unfinished) <= lines.MAX_LINE_BYTES


def test_splitter_cut_text_drop_unfinished_gives_whole_lines_only() -> None:
    splitter = LineSplitter()
    found = [*splitter.blocks([b"a\nb\nc,d"]), *splitter.drop_unfinished()]
    assert found == [Block(b"a\nb\n", 0)]
