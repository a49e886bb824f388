"""Gzip in steps against Python's gzip module."""

import gzip
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.files.gunzip import STEP, Health, examine, expand

TEXT = b"".join(b"2025-01-06 09:%02d:00,10.0,%d\n" % (i % 60, i) for i in range(5000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bars.csv.gz"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 600))
def test_expand_members_and_padding_gives_what_gzip_gives(path: Path, members: list[bytes], padding: int) -> None:
    path.write_bytes(b"".join(gzip.compress(m) for m in members) + bytes(padding if members else 0))
    assert b"".join(expand(path)) == gzip.decompress(path.read_bytes())
    assert examine(path) == (Health.SOUND, sum(map(len, members)))


def test_expand_highly_compressed_content_comes_in_bounded_steps(path: Path) -> None:
    path.write_bytes(gzip.compress(bytes(20 * STEP)))
    sizes = [len(piece) for piece in expand(path)]
    assert sum(sizes) == 20 * STEP
    assert max(sizes) <= STEP


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 100, 5000])
def test_expand_truncated_file_gives_a_true_beginning_then_eof_error(path: Path, cut: int) -> None:
    whole = gzip.compress(TEXT)
    path.write_bytes(whole[:-cut])
    pieces = []
    with pytest.raises(EOFError):
        pieces += list(_collect(path, pieces))
    assert TEXT.startswith(b"".join(pieces))
    assert examine(path)[0] is Health.TRUNCATED
    if cut <= 8:
        assert b"".join(pieces) == TEXT


def _collect(path: Path, into: list[bytes]) -> list[bytes]:
    for piece in expand(path):
        into.append(piece)
    return []


@pytest.mark.parametrize("place", [12, 40, -1, -6])
def test_examine_changed_bits_is_corrupt(path: Path, place: int) -> None:
    data = bytearray(gzip.compress(TEXT))
    data[place] ^= 0x55
    path.write_bytes(data)
    assert examine(path)[0] in (Health.CORRUPT, Health.TRUNCATED)
    with pytest.raises((zlib.error, EOFError)):
        list(expand(path))


def test_examine_something_behind_the_member_is_corrupt(path: Path) -> None:
    path.write_bytes(gzip.compress(TEXT) + b"not gzip")
    assert examine(path)[0] is Health.CORRUPT
