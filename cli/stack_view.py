"""How the embedded stack looks while it starts and runs: a bar and a table on a terminal, plain lines in a pipe."""

import shlex
import threading
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.status import Status

from cli.output import Output, duration, size_of
from cli.tables import Column, number
from infra.embedded.state import StackState
from infra.embedded.status import ProcessStatus, StackStatus

LINES_PER_DOWNLOAD = 4


class ConsoleProgress:
    """Draws a download: a bar on a terminal, a line at each quarter in a pipe.

    Args:
        output: Where to.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._what, self._total, self._done, self._quarter = "", 0, 0, 0

    def begin(self, what: str, total_bytes: int) -> None:
        """Begin to show a download of `total_bytes`."""
        self._what, self._total, self._done, self._quarter = what, total_bytes, 0, 0
        if self._output.terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, console=self._output.console, transient=True)
            self._task = self._bar.add_task(f"downloading {what}", total=total_bytes)
            self._bar.start()
        else:
            self._output.line(f"downloading {what}: {size_of(total_bytes)}")

    def advance(self, count: int) -> None:
        """Show `count` more bytes."""
        with self._lock:
            self._done += count
            if self._bar:
                self._bar.update(self._task, completed=self._done)
            elif (quarter := LINES_PER_DOWNLOAD * self._done // max(1, self._total)) > self._quarter:
                self._quarter = quarter
                self._output.line(f"downloading {self._what}: {size_of(self._done)} of {size_of(self._total)}")

    def end(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None
            if self._done >= self._total:
                self._output.line(f"downloaded {self._what}: {size_of(self._total)}")


class StartReport:
    """Tells of each process as it comes up.

    Args:
        output: Where to.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._begun = time.monotonic()
        self._told: set[str] = set()
        self._status: Status | None = None

    def __enter__(self) -> Self:
        """Begin to tell."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the spinner away."""
        if self._status:
            self._status.stop()

    def watch(self, state: StackState) -> None:
        """Tell what is new in `state`."""
        if not self._told and state.phase == "running":
            return  # it was up before
        for unit in state.units:
            if unit.phase in {"running", "finished"} and unit.name not in self._told:
                self._told.add(unit.name)
                where = f" on port {unit.port}" if unit.port else ""
                self._output.line(f"{unit.name} {unit.phase}{where} ({duration(time.monotonic() - self._begun)})")
        waiting = [unit.name for unit in state.units if unit.phase == "starting"]
        self._spin(f"starting {', '.join(waiting)}" if waiting else "starting")

    def _spin(self, text: str) -> None:
        if not self._output.terminal:
            return
        if self._status is None:
            self._status = self._output.console.status(text)
            self._status.start()
        self._status.update(text)


COLUMNS = (
    Column("process", style="bold"),
    Column("state"),
    number("pid", spare=1),
    number("port"),
    number("rss MiB"),
    number("peak MiB", spare=2),
    number("up"),
    number("restarts"),
    number("beat", spare=3),
    Column("detail", wraps=True),
)


def show_status(output: Output, now: StackStatus) -> None:
    """Write a stack's status for people."""
    begin = "" if now.up or now.processes else f"; start it with `tickerstream up --home {shlex.quote(now.home)}`"
    output.line(f"{now.home}: {now.message}{begin}", style="green" if now.healthy else "red")
    if now.processes:
        output.table(COLUMNS, [_row(process) for process in now.processes])
    show_page(output, now)


def show_page(output: Output, now: StackStatus) -> None:
    """Write where the page is, while it is served."""
    if now.page:
        output.line(f"page: {now.page}", style="cyan")


def _row(process: ProcessStatus) -> list[str | int | float | None]:
    pid, port = process.pid, process.port
    ended = f"exit {process.last_exit}" if process.last_exit is not None and process.pid is None else ""
    detail = ": ".join(part for part in (ended, process.detail or "") if part)
    return [
        process.name,
        process.state,
        str(pid) if pid else None,
        str(port) if port else None,
        process.rss_mib,
        process.peak_rss_mib,
        duration(process.uptime_seconds) if process.uptime_seconds is not None else None,
        process.restarts,
        duration(process.heartbeat_age_seconds) if process.heartbeat_age_seconds is not None else None,
        detail or None,
    ]
