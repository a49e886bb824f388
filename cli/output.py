"""How the command speaks: tables and bars on a terminal, plain lines in a pipe, one JSON document for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from cli.tables import Cell, Column, drawn


@dataclass(frozen=True)
class Output:
    """Where a command writes to.

    Attributes:
        json: Whether standard output carries JSON only; text for people goes to standard error then.
        console: Standard output for people.
    """

    json: bool = False
    console: Console = field(default_factory=lambda: Console(highlight=False))

    @classmethod
    def of(cls, as_json: bool) -> "Output":
        """Return the output of one command; with `as_json` people's text moves to standard error."""
        return cls(as_json, Console(highlight=False, stderr=as_json))

    @property
    def terminal(self) -> bool:
        """Return whether a person sees the text as it comes."""
        return self.console.is_terminal

    def line(self, text: str = "", style: str = "") -> None:
        """Write a line of plain text, which is never wrapped nor taken for markup."""
        self.console.print(escape(text), style=style or None, soft_wrap=True)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], title: str = "") -> None:
        """Write a table: with rules on a terminal, tab-separated with a heading in a pipe."""
        if not self.terminal:
            print("\t".join(column.title for column in columns), file=self.console.file)
            for row in rows:
                print("\t".join(_plain(cell) for cell in row), file=self.console.file)
            return
        self.console.print(drawn(self.console, columns, list(rows), title))

    def document(self, value: Any) -> None:
        """Write one JSON value, if this command was asked for JSON."""
        if self.json:
            print(json.dumps(value, default=str), flush=True)

    def report(self, path: Path, value: Any) -> None:
        """Write one JSON value to a file for people and programs, and say where."""
        path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        self.line(f"report: {path}", style="dim")


def _plain(cell: Cell) -> str:
    """Return a cell for another program: no separators in numbers, no tabs or line ends in text."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return " ".join(cell.split("\n")).replace("\t", " ")
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def print_error(text: str) -> None:
    """Write `error: ...` as one line to standard error."""
    one_line = " ".join(text.split())
    Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {escape(one_line)}", soft_wrap=True)
    sys.stderr.flush()


def size_of(count: int) -> str:
    """Return a number of bytes for people."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def duration(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
