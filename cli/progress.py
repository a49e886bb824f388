"""How far long work is: bars with rate and time left on a terminal, a line now and then in a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from cli.output import Output, duration

SECONDS_BETWEEN_LINES: Final = 5.0
# Before this a rate says nothing, and time left even less.
LEAST_SECONDS: Final = 0.5
LEAST_SHARE: Final = 0.02
LEAST_COUNT: Final = 3


@dataclass
class Line:
    """One piece of work, a row of the display. It is a `Progress` of shared.ports.

    Attributes:
        name: What is done, such as `publish stock`.
        unit: What is counted, such as `bars`.
        board: Where it is shown.
        count: Units done.
        of: Units in all, where that is known.
        share: Share of the work done, 0 to 1, where that is known.
        detail: What is worked on now.
        seconds: How long it took, once it is finished.
        before: Whether it was all done before.
    """

    name: str
    unit: str
    board: "Board"
    count: int = 0
    of: int | None = None
    share: float | None = None
    detail: str = ""
    seconds: float | None = None
    before: bool = False
    begun: float = field(default_factory=time.monotonic)

    def update(self, done: int, total: int | None, detail: str) -> None:
        """Report `done` of `total` units (None: unknown)."""
        self.of = total
        self.at(done, done / total if total else None, detail)

    def at(self, count: int, share: float | None, detail: str) -> None:
        """Report `count` units, which are `share` of the work, where the number of all units is not known."""
        self.count, self.share, self.detail = count, share, detail
        self.board.show(self)

    def finish(self, count: int | None = None, detail: str = "", *, before: bool = False) -> None:
        """Report that it is over; `before`: it was all done before, so that a rate would say nothing."""
        self.before = before
        self.count = self.count if count is None else count
        self.of, self.share, self.detail, self.seconds = None, 1.0, detail, self.elapsed
        self.board.show(self)

    def hide(self) -> None:
        """Take it from the display, to make room."""
        self.board.hide(self)

    @property
    def elapsed(self) -> float:
        """Return seconds since its begin, or how long it took."""
        return time.monotonic() - self.begun if self.seconds is None else self.seconds

    @property
    def counted(self) -> str:
        """Return `1,234 of 5,678 bars`."""
        return f"{self.count:,}{f' of {self.of:,}' if self.of else ''} {self.unit}"

    @property
    def rate(self) -> str:
        """Return units a second so far (a minute where they are few), or nothing."""
        if self.before or not self.count or self.elapsed < LEAST_SECONDS:
            return ""
        a_second = self.count / self.elapsed
        if a_second < 1 and self.seconds is None and self.count < LEAST_COUNT:
            return ""
        return f"{a_second:,.0f} {self.unit}/s" if a_second >= 1 else f"{60 * a_second:,.1f} {self.unit}/min"

    @property
    def time_left(self) -> str:
        """Return how long it still takes at this rate, or how long it took."""
        if self.seconds is not None:
            return f"in {duration(self.seconds)}"
        if not self.share or self.share < LEAST_SHARE or self.elapsed < 2 * LEAST_SECONDS:
            return ""
        return f"{duration(self.elapsed * (1 - self.share) / self.share)} left"

    @property
    def text(self) -> str:
        """Return all of it as one line."""
        percent = f"{self.share:.0%}" if self.share is not None and self.seconds is None else ""
        parts = (percent, self.counted, self.rate, self.time_left, self.detail if self.seconds is not None else "")
        return f"{self.name}: {', '.join(part for part in parts if part)}"


class LineColumn(ProgressColumn):
    """A column that shows a property of the task's Line.

    Args:
        name: The property.
        style: rich's style.
        right: Whether it stands to the right.
    """

    def __init__(self, name: str, style: str, right: bool = False) -> None:
        super().__init__()
        self._name, self._style, self._right = name, style, right

    def render(self, task: Task) -> Text:
        """Return the property of the line that `task` shows."""
        shown = str(getattr(task.fields["line"], self._name))
        return Text(shown, style=self._style, justify="right" if self._right else "left", no_wrap=True)


class Board:
    """All pieces of work of one command.

    Args:
        output: Where to show them.
        display: rich's display on a terminal, else None.
    """

    def __init__(self, output: Output, display: Progress | None) -> None:
        self._output, self._display = output, display
        self._tasks: dict[int, TaskID] = {}
        self._told: dict[int, float] = {}

    def line(self, name: str, unit: str) -> Line:
        """Return a new piece of work, shown from now on."""
        line = Line(name, unit, self)
        if self._display:
            self._tasks[id(line)] = self._display.add_task(name, total=None, line=line)
        return line

    @property
    def terminal(self) -> bool:
        """Return whether a person sees it as it comes."""
        return self._display is not None

    def say(self, text: str) -> None:
        """Write a line of text above the pieces of work."""
        self._output.line(text, style="yellow")

    def hide(self, line: Line) -> None:
        """Take `line` from the display."""
        if self._display:
            self._display.update(self._tasks[id(line)], visible=False)

    def show(self, line: Line) -> None:
        """Show how far `line` is."""
        if self._display:
            total = None if line.share is None else 1.0
            self._display.update(self._tasks[id(line)], completed=line.share or 0.0, total=total)
            return
        now = time.monotonic()
        if line.seconds is not None or now - self._told.get(id(line), line.begun) >= SECONDS_BETWEEN_LINES:
            self._told[id(line)] = now
            self._output.line(line.text)


@contextmanager
def board(output: Output) -> Iterator[Board]:
    """Show progress while the block runs."""
    if not output.terminal:
        yield Board(output, None)
        return
    columns = (
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=24),
        LineColumn("counted", "green", right=True),
        LineColumn("rate", "cyan", right=True),
        LineColumn("time_left", "yellow", right=True),
        LineColumn("detail", "dim"),
    )
    with Progress(*columns, console=output.console) as display:
        yield Board(output, display)
