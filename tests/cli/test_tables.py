"""Tables on terminals of several widths: no number is cut, what has no room is named."""

import io

import pytest
from rich.console import Console

from cli.tables import Cell, Column, drawn, number

COLUMNS = (
    Column("process"),
    number("pid", spare=1),
    number("rss MiB"),
    number("peak MiB", spare=2),
    Column("detail", wraps=True),
)
ROWS: list[list[Cell]] = [
    ["consumer-company", 1234567, 123.4, 234.5, "it is starting again after it was out of memory"],
    ["kafka", None, 1234.5, 2345.6, None],
]


def lines(width: int, rows: list[list[Cell]]) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as captured:
        console.print(drawn(console, COLUMNS, rows, ""))
    text = captured.get()
    assert all(len(line) <= width for line in text.splitlines())
    return [" ".join(line.split()) for line in text.splitlines()]


def test_table_with_room_shows_every_column() -> None:
    assert lines(120, ROWS) == [
        "process pid rss MiB peak MiB detail",
        "consumer-company 1,234,567 123.4 234.5 it is starting again after it was out of memory",
        "kafka - 1,234.5 2,345.6 -",
    ]


@pytest.mark.parametrize(
    ("width", "heading", "gone"),
    [(64, "process pid rss MiB detail", "peak MiB"), (52, "process rss MiB detail", "pid, peak MiB")],
)
def test_narrow_table_leaves_out_what_can_be_spared_and_names_it(width: int, heading: str, gone: str) -> None:
    found = lines(width, ROWS)
    assert found[0] == heading
    assert any(line.startswith("consumer-company") and "123.4" in line for line in found)
    assert f"no room for: {gone} " in " ".join(found)


def test_single_row_without_room_stands_upright() -> None:
    found = lines(52, ROWS[:1])
    assert found[:4] == ["process consumer-company", "pid 1,234,567", "rss MiB 123.4", "peak MiB 234.5"]


def test_table_that_fits_nowhere_goes_on_in_the_next_line() -> None:
    found = "".join(lines(24, ROWS)).replace(" ", "")
    assert "1,234" in found
    assert "peakMiB" in found  # named as left out
