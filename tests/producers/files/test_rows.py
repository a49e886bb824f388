"""Any row is published exactly as written or refused with its bytes: against Python's own float and datetime."""

import math
import tempfile
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.arguments import Arguments
from producers.files.options import FileOptions
from producers.sources import offer_of
from shared.clock import SystemClock
from tests.producers.files.parts import HEADER, outcome, plain_rows, read, write

NUMBER = st.one_of(
    st.floats(0.0001, 1e6).map(repr),
    st.integers(1, 10**6).map(str),
    st.decimals(1, 9999, places=4).map(str),
    st.sampled_from(["", "nan", "-1", "0", "inf", "x", "1,5", "1.5.2", "１", "1_0", "--1", "1e3", " 2.5 ", "+7.5"]),
)
TIME = st.one_of(
    st.integers(0, 59).map(lambda m: f"2025-01-06 14:{m:02d}:00+00:00"),
    st.sampled_from(["", "x", "2025-01-06 14:30:05+00:00", "2025-01-06 14:61:00+00:00", "2025-01-06 14:30:00"]),
)
LINE = st.builds(lambda t, *n: ",".join([t, *n]), TIME, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER) | st.text(
    st.characters(exclude_characters="\n\r\x00\"'", exclude_categories=["Cs", "Z"]), min_size=1, max_size=20
)


def parsed(line: str) -> tuple[datetime, tuple[float, ...]] | None:
    """Return what a valid line says; None for one that is not valid."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != 6:
        return None
    try:
        at = datetime.strptime(cells[0], "%Y-%m-%d %H:%M:%S%z")
        if any("_" in cell or not cell.isascii() for cell in cells[1:]):
            return None
        o, h, low, c, v = (float(cell) for cell in cells[1:])
    except ValueError:
        return None
    if at.second or not all(map(math.isfinite, (o, h, low, c, v))):
        return None
    if min(o, h, low, c) <= 0 or v < 0 or h < max(o, c, low) or low > min(o, c):
        return None
    return at.astimezone(UTC), (o, h, low, c, v)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINE, max_size=12))
def test_every_row_is_published_as_written_or_refused_with_its_bytes(lines: list[str]) -> None:
    # Rows that are sure, an hour later, so that the form of the file is clear.
    sure = [row.replace("2025-01-06 09:", "2025-01-06 19:").replace(":00,", ":00+00:00,") for row in plain_rows(20)]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "AAA.csv", "\n".join([HEADER, *sure, *lines]) + "\n")
        found = read(path, FileOptions())

    judged = [(line, parsed(line)) for line in lines]
    wanted = {value for _, value in judged if value is not None}
    rows = found.bars.filter(found.bars["timestamp"].dt.hour() == 14)
    got = [(r["timestamp"], (r["open"], r["high"], r["low"], r["close"], r["volume"])) for r in rows.to_dicts()]
    assert Counter(got) == Counter(wanted)
    assert found.duplicates == sum(value is not None for _, value in judged) - len(wanted)
    refused = Counter(line.encode() for line, value in judged if value is None)
    assert Counter(r.raw for r in found.refused) == refused
    assert all(([*sure, *lines][r.row - 1]).encode() == r.raw for r in found.refused)


@pytest.mark.parametrize("cells", ["1,1,1,1,5,", "1,1,1,1,5,,", "1,1,1,1,5,,x", '"1",1,1,1,5,'])
def test_row_with_more_cells_than_the_header_is_refused_even_if_they_are_empty(tmp_path: Path, cells: str) -> None:
    line = f"2025-01-06 20:00:00+00:00,{cells}"
    sure = [row.replace(":00,", ":00+00:00,") for row in plain_rows(20)]
    found = read(write(tmp_path / "AAA.csv", "\n".join([HEADER, *sure, line]) + "\n"), FileOptions())
    assert [(one.raw, one.row) for one in found.refused] == [(line.encode(), 21)]
    assert found.bars.height == 20


def test_separators_inside_quotes_are_no_cells(tmp_path: Path) -> None:
    header = f"{HEADER},note"
    lines = [row.replace(":00,", ":00+00:00,") + ',"a,b,c"' for row in plain_rows(20)]
    found = read(write(tmp_path / "AAA.csv", "\n".join([header, *lines]) + "\n"), FileOptions())
    assert (found.bars.height, len(found.refused)) == (20, 0)


def test_range_of_new_york_dates_is_kept_to_the_minute(tmp_path: Path) -> None:
    rows = [f"2025-01-0{day} {at},10,11,9,10,100" for day in (6, 7, 8) for at in ("00:00:00", "09:30:00", "23:59:00")]
    write(tmp_path / "AAA.csv", "\n".join([HEADER, *rows]) + "\n")
    arguments = Arguments(
        "stock", "files", bars=tmp_path, timezone="America/New_York", start=date(2025, 1, 7), end=date(2025, 1, 7)
    )
    source = offer_of(arguments).history(arguments, SystemClock())
    assert outcome(source).bars["timestamp"].to_list() == [
        datetime(2025, 1, 7, 5, 0, tzinfo=UTC),
        datetime(2025, 1, 7, 14, 30, tzinfo=UTC),
        datetime(2025, 1, 8, 4, 59, tzinfo=UTC),
    ]
