"""A folder of broken files: each answers as laid down, nothing stops, nothing is lost."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from producers.files.options import FileOptions
from producers.source import Refused
from tests.producers.files.parts import HEADER, Outcome, csv, minutes, plain_rows, read, write

GOOD = "2025-01-06 09:30:00,10.0,11.0,9.5,10.5,100"


def fault(found: Outcome) -> Refused:
    (only,) = found.refused
    assert found.bars.is_empty()
    assert (only.row, only.rows) == (0, 0)
    assert "\n" not in only.reason
    return only


@pytest.mark.parametrize(
    ("content", "error_class"),
    [
        ("a,b,c\n1,2,3\n", "wrong_header"),
        ("", "empty_file"),
        ("\n\n", "empty_file"),
        (csv([f"{t},1,2,1,2,5" for t in list(minutes(60))[::5]]), "bad_spacing"),
        ("timestamp,bid,ask\n2025-01-06 09:30:00,1,2\n", "quotes"),
        ("date,open,high,low,close,volume\n2025-01-06,1,2,1,2,3\n2025-01-07,1,2,1,2,3\n", "bad_spacing"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "wrong_header"),
    ],
)
def test_unusable_file_is_refused_as_a_whole_with_its_bytes(
    tmp_path: Path, content: str | bytes, error_class: str
) -> None:
    path = write(tmp_path / "AAA.csv", content)
    refused = fault(read(tmp_path))
    assert refused.error_class == error_class
    assert refused.origin == "files:AAA.csv"
    assert (refused.raw, refused.length) == (path.read_bytes()[: 64 * 1024], path.stat().st_size)


def test_no_zone_names_the_option(tmp_path: Path) -> None:
    write(tmp_path / "AAA.csv", csv([GOOD]))
    refused = fault(read(tmp_path, FileOptions()))
    assert refused.error_class == "no_timezone"
    assert "--timezone" in refused.reason


def test_header_only_is_no_error(tmp_path: Path) -> None:
    write(tmp_path / "AAA.csv", HEADER + "\n")
    found = read(tmp_path)
    assert (found.refused, found.bars.height) == ([], 0)
    assert [note.text for note in found.notes] == ["it has a header and no rows"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2025-01-06 09:31:00,10.0,11.0,9.5,10.5,-5", "volume is negative"),
        ("2025-01-06 09:31:00,10.0,10.2,9.5,10.5,5", "high is below open, close or low"),
        ("2025-01-06 09:31:00,10.0,11.0,10.1,10.5,5", "low is above open or close"),
        ("2025-01-06 09:31:00,10.0,eleven,9.5,10.5,5", "high 'eleven' is not a number"),
        ("2025-01-06 09:31:00,10.0,,9.5,10.5,5", "high is missing"),
        ("2025-01-06 09:31:00,10.0,11.0,9.5", "close is missing"),
        ("2025-01-06 09:31:00,10.0,11.0,9.5,10.5,5,6", "it has more cells than the header"),
        ("2025-01-06 09:31:00,nan,11.0,9.5,10.5,5", "open is not finite"),
        ("2025-01-06 09:31:00,10.0,inf,9.5,10.5,5", "high is not finite"),
        ("2025-01-06 09:31:00,0,11.0,0,10.5,5", "open is not positive"),
        ("2025-01-06 09:31:07,10.0,11.0,9.5,10.5,5", "timestamp has seconds"),
        ("2025-03-09 02:30:00,10.0,11.0,9.5,10.5,5", "show '2025-03-09 02:30:00' twice or never"),
        ("2025-11-02 01:30:00,10.0,11.0,9.5,10.5,5", "show '2025-11-02 01:30:00' twice or never"),
        ("2025-02-30 09:31:00,10.0,11.0,9.5,10.5,5", "the time '2025-02-30 09:31:00' cannot be read"),
        (",10.0,11.0,9.5,10.5,5", "timestamp is missing"),
        ("garbage", "the time 'garbage' cannot be read"),
        ('"2025-01-06 09:31:00,10.0,11.0,9.5,10.5,5', "the time"),
        ("2025-01-06 09:31:00,10.0,11.0,9.5,10.5,\xff\xfe", "volume"),
        (",,,,,", "timestamp is missing"),
    ],
)
def test_bad_row_is_refused_alone_with_its_bytes(tmp_path: Path, line: str, reason: str) -> None:
    raw = line.encode("latin-1")
    rows = [row.encode() for row in plain_rows(3)]
    rows.insert(1, raw)
    write(tmp_path / "AAA.csv.gz", b"\r\n".join([HEADER.encode(), *rows]))

    found = read(tmp_path)

    (refused,) = found.refused
    assert (refused.row, refused.raw, refused.length, refused.rows) == (2, raw, len(raw), 1)
    assert reason in refused.reason
    assert refused.error_class == "bad_row"
    assert found.bars["volume"].to_list() == [100.0, 101.0, 102.0]
    assert found.items[0].rows is not None
    assert found.items[0].rows.to_list() == [1, 3, 4]


def test_truncated_gzip_is_read_up_to_the_damage(tmp_path: Path) -> None:
    rows = plain_rows(390)
    whole = gzip.compress(csv(rows).encode())
    write(tmp_path / "AAA.csv", b"")
    (tmp_path / "AAA.csv").unlink()
    (tmp_path / "AAA.csv.gz").write_bytes(whole[: len(whole) // 2])

    found = read(tmp_path)

    (damage,) = found.refused
    count = found.bars.height
    assert 0 < count < 390
    assert found.bars["volume"].to_list() == [100.0 + i for i in range(count)]
    assert damage.error_class == "truncated_file"
    assert f"after row {count}" in damage.reason
    assert (damage.row, damage.rows) == (count + 1, 0)
    assert (rows[count] + "\n").encode().startswith(damage.raw)


def test_corrupt_gzip_is_refused_because_nothing_in_it_can_be_trusted(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(csv(plain_rows(390)).encode()))
    data[-6] ^= 0x01  # the checksum
    (tmp_path / "AAA.csv.gz").write_bytes(data)
    assert fault(read(tmp_path)).error_class == "corrupt_file"


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_endless_line_is_passed_over(tmp_path: Path, place: str) -> None:
    rows = plain_rows(4)
    at = {"first": 0, "middle": 2, "last": 4}[place]
    rows.insert(at, "9" * (3 * 1024 * 1024))
    write(tmp_path / "AAA.csv", csv(rows))

    found = read(tmp_path)

    (refused,) = found.refused
    assert refused.error_class == "long_line"
    assert (refused.row, refused.length, refused.rows) == (at + 1, 3 * 1024 * 1024, 1)
    assert refused.raw == b"9" * 64 * 1024
    assert found.bars.height == 4


def test_endless_header_refuses_the_file(tmp_path: Path) -> None:
    write(tmp_path / "AAA.csv", "x" * (2 * 1024 * 1024))
    assert fault(read(tmp_path)).error_class == "wrong_header"


def test_parquet_that_is_none_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "AAA.parquet", b"PAR1 but no more")
    assert fault(read(tmp_path)).error_class == "corrupt_file"


def test_parquet_bad_rows_are_refused_as_json(tmp_path: Path) -> None:
    frame = pl.DataFrame({"timestamp": ["2025-01-06T14:30:00Z", "2025-01-06T14:31:00Z"], "volume": [-1, 5]})
    frame = frame.with_columns(pl.lit(10.0).alias(name) for name in ("open", "high", "low", "close"))
    frame.write_parquet(tmp_path / "AAA.parquet")
    found = read(tmp_path, FileOptions())
    assert found.bars["volume"].to_list() == [5.0]
    assert found.refused[0].raw.startswith(b'{"')
    assert b'"volume": -1' in found.refused[0].raw


def test_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "AAA.zip", b"PK")
    assert fault(read(tmp_path)).error_class == "unknown_zip"
    (tmp_path / "AAA.zip").rename(tmp_path / "20250106_trade.zip")
    assert fault(read(tmp_path)).error_class in ("corrupt_file", "no_ticker")


def test_file_of_mostly_bad_rows_is_given_up_and_its_good_rows_published(tmp_path: Path) -> None:
    rows = [row if i < 300 else row.replace(",11.0,", ",x,") for i, row in enumerate(plain_rows(900))]
    rows += ["rubbish"] * 700
    write(tmp_path / "AAA.csv", csv(rows))
    found = read(tmp_path)
    assert found.bars.height == 300
    assert len(found.rows) == 1300
    (given_up,) = found.faults
    assert given_up.error_class == "too_many_refused"


def test_simulated_names_in_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "SIM.AAA.csv", csv([GOOD]))
    (refused,) = read(tmp_path).refused
    assert refused.reason == "the SIM. prefix and the simulated flag disagree"


def test_one_broken_file_does_not_touch_the_others(tmp_path: Path) -> None:
    write(tmp_path / "AAA.csv", csv(plain_rows(5)))
    write(tmp_path / "BBB.csv", "nothing")
    write(tmp_path / "CCC.csv", csv(plain_rows(6)))
    write(tmp_path / "README.md", "words")
    found = read(tmp_path)
    assert found.bars["ticker"].value_counts().sort("ticker").rows() == [("AAA", 5), ("CCC", 6)]
    assert [r.origin for r in found.refused] == ["files:BBB.csv"]
    assert [n.origin for n in found.notes] == ["files:README.md"]
