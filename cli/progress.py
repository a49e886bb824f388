"""How far long work is: bars with rate and time left on a terminal, a line now and then in a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli.output import Output, duration

SECONDS_BETWEEN_LINES = 5.0


class RateColumn(ProgressColumn):
    """Units a second, averaged over the whole task once it is finished."""

    def render(self, task: Task) -> Text:
        """Return the rate of `task`."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="cyan", justify="right")


@dataclass
class Line:
    """One piece of work, a row of the display. It is a `Progress` of shared.ports.

    Attributes:
        name: What is done, such as `publish stock`.
        unit: What is counted, such as `bars`.
    """

    name: str
    unit: str
    board: "Board"
    task: TaskID | None = None
    done: int = 0
    total: int | None = None
    begun: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)

    def update(self, done: int, total: int | None, detail: str) -> None:
        """Report `done` of `total` units (None: unknown)."""
        self.done, self.total = done, total
        self.board.show(self, detail)

    def finish(self, detail: str = "") -> None:
        """Report that it is over."""
        self.total = self.done
        self.board.show(self, detail, last=True)


class Board:
    """All pieces of work of one command.

    Args:
        output: Where to show them.
        display: rich's display on a terminal, else None.
    """

    def __init__(self, output: Output, display: Progress | None) -> None:
        self._output, self._display = output, display

    def line(self, name: str, unit: str) -> Line:
        """Return a new piece of work, shown from now on."""
        line = Line(name, unit, self)
        if self._display:
            line.task = self._display.add_task(name, total=None, detail="", unit=unit)
        return line

    def show(self, line: Line, detail: str, last: bool = False) -> None:
        """Show how far `line` is."""
        if self._display and line.task is not None:
            self._display.update(line.task, completed=line.done, total=line.total, detail=detail)
            return
        now = time.monotonic()
        if last or now - line.told >= SECONDS_BETWEEN_LINES:
            line.told = now
            self._output.line(_as_line(line, detail, now - line.begun, last))


def _as_line(line: Line, detail: str, seconds: float, last: bool) -> str:
    rate = f", {line.done / seconds:,.0f} {line.unit}/s" if seconds > 0.5 and line.done else ""
    if last:
        return f"{line.name}: {line.done:,} {line.unit} in {duration(seconds)}{rate}{f' ({detail})' if detail else ''}"
    of = f" of {line.total:,} ({100 * line.done // max(1, line.total)} %)" if line.total else ""
    left = ""
    if line.total and 0 < line.done < line.total:
        left = f", {duration(seconds * (line.total - line.done) / line.done)} left"
    return f"{line.name}: {line.done:,}{of} {line.unit}{rate}{left}"


@contextmanager
def board(output: Output) -> Iterator[Board]:
    """Show progress while the block runs."""
    if not output.terminal:
        yield Board(output, None)
        return
    columns = (
        TextColumn("{task.description:<20}", style="bold"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        RateColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
    )
    with Progress(*columns, console=output.console) as display:
        yield Board(output, display)
