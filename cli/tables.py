"""Tables for people on a terminal: text is folded, and columns that a narrow one has no room for are named instead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

Cell = str | int | float | bool | None
NOTHING: Final = "-"
# Characters: what text that may be folded has at least.
_FOLDED: Final = 24
_GAP: Final = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        right: Whether it holds numbers, which stand to the right.
        style: rich's style of its cells.
        wraps: Whether its text may go on in the next line.
        spare: How soon it is left out where there is no room for all; 0 = never, the highest first.
    """

    title: str
    right: bool = False
    style: str = ""
    wraps: bool = False
    spare: int = 0


def number(title: str, style: str = "", spare: int = 0) -> Column:
    """Return a column of numbers."""
    return Column(title, right=True, style=style, spare=spare)


def as_text(cell: Cell) -> str:
    """Return a cell for people: thousands set apart, what is missing as a dash, never a guess."""
    if cell is None:
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return cell


def drawn(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], title: str) -> RenderableType:
    """Return a table that fits a terminal's width.

    A single row that has no room stands upright, a line a column. Of more rows the columns that can be spared are left
    out, and a last line names them. What has no room even then goes on in the next line.
    """
    if _width(columns, rows) <= console.width:
        return _table(columns, rows, title)
    if len(rows) == 1:
        return _upright(columns, rows[0], title)
    kept = list(range(len(columns)))
    for at in sorted((at for at in kept if columns[at].spare), key=lambda at: (-columns[at].spare, -at)):
        kept.remove(at)
        if _width(*_only(kept, columns, rows)) <= console.width:
            break
    shown, cells = _only(kept, columns, rows)
    if _width(shown, cells) > console.width:
        shown = [replace(column, wraps=True) for column in shown]
    gone = [column.title for at, column in enumerate(columns) if at not in kept]
    left_out = f"no room for: {', '.join(gone)} (a wider terminal or --json has them)" if gone else ""
    return Group(_table(shown, cells, title), *([Text(left_out, style="dim")] if gone else []))


def _only(
    kept: Sequence[int], columns: Sequence[Column], rows: Sequence[Sequence[Cell]]
) -> tuple[list[Column], list[list[Cell]]]:
    return [columns[at] for at in kept], [[row[at] for at in kept] for row in rows]


def _width(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> int:
    """Return how many characters a line has at least."""
    widest = (
        max(cell_len(text) for text in (column.title, *(as_text(row[at]) for row in rows)))
        for at, column in enumerate(columns)
    )
    needed = (min(width, _FOLDED) if column.wraps else width for column, width in zip(columns, widest, strict=True))
    return sum(needed) + _GAP * (len(columns) - 1)


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], title: str) -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None)
    table.pad_edge = False
    for column in columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            style=column.style or None,
            overflow="fold",
            no_wrap=not column.wraps,
        )
    for row in rows:
        table.add_row(*(escape(as_text(cell)) for cell in row))
    return table


def _upright(columns: Sequence[Column], row: Sequence[Cell], title: str) -> Table:
    names = (Column("", style="bold"), Column("", wraps=True))
    table = _table(names, [(column.title, as_text(cell)) for column, cell in zip(columns, row, strict=True)], title)
    table.show_header = False
    return table
