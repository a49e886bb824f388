"""How a producer tells what it does: JSON lines for programs, a line that moves for people, plain lines in a pipe."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TextIO

from shared.clock import Clock

_EVERY_JSON: Final = 0.5
_EVERY_TERMINAL: Final = 0.2
_EVERY_LINE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of `total` in the weight of units, rows read, and what is being read."""

    done: int
    total: int
    rows: int
    detail: str


class Reporter(Protocol):
    """Who listens."""

    def progress(self, progress: Progress) -> None:
        """Tell how far the run is; may be called as often as one likes."""
        ...

    def line(self, kind: str, origin: str, text: str) -> None:
        """Tell a `note` or a `problem` at once."""
        ...

    def end(self, event: str, summary: Mapping[str, Any], text: str) -> None:
        """Tell how it ended: `event` and `summary` for programs, `text` for people."""
        ...


class JsonReporter:
    """JSON lines.

    Args:
        out: Standard output.
        clock: Bounds progress to two lines a second.
    """

    def __init__(self, out: TextIO, clock: Clock) -> None:
        self._out = out
        self._clock = clock
        self._next = 0.0

    def progress(self, progress: Progress) -> None:
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + _EVERY_JSON
        self._write(
            event="progress", done=progress.done, total=progress.total, rows=progress.rows, detail=progress.detail
        )

    def line(self, kind: str, origin: str, text: str) -> None:
        self._write(event=kind, origin=origin, text=text)

    def end(self, event: str, summary: Mapping[str, Any], text: str) -> None:  # noqa: ARG002  the port's
        self._write(event=event, **summary)

    def _write(self, **fields: Any) -> None:
        self._out.write(json.dumps(fields, default=str) + "\n")
        self._out.flush()


class TextReporter:
    """Lines for people; on a terminal, progress is one line that moves.

    Args:
        err: Standard error, for progress, notes and problems.
        out: Standard output, for the end.
        clock: Measures the rate.
    """

    def __init__(self, err: TextIO, out: TextIO, clock: Clock) -> None:
        self._err = err
        self._out = out
        self._clock = clock
        self._terminal = err.isatty()
        self._started = clock.monotonic()
        self._next = self._started + (_EVERY_TERMINAL if self._terminal else _EVERY_LINE)
        self._first_done: int | None = None
        self._drawn = False

    def progress(self, progress: Progress) -> None:
        if self._first_done is None:
            self._first_done = progress.done
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + (_EVERY_TERMINAL if self._terminal else _EVERY_LINE)
        text = self._text(progress, now - self._started)
        self._err.write(f"\r{text:<100}" if self._terminal else f"{text}\n")
        self._err.flush()
        self._drawn = self._terminal

    def _text(self, progress: Progress, seconds: float) -> str:
        share = progress.done / progress.total if progress.total else 1.0
        rate = progress.rows / seconds if seconds else 0.0
        text = f"{share:4.0%}  {progress.rows:,} rows, {rate:,.0f} a second"
        gone = progress.done - (self._first_done or 0)
        if gone > 0:
            left = seconds * (progress.total - progress.done) / gone
            text += f", {_duration(left)} left"
        return f"{text}  {progress.detail[-40:]}"

    def line(self, kind: str, origin: str, text: str) -> None:
        self._clear()
        self._err.write(f"{kind}: {origin}: {text}\n")

    def end(self, event: str, summary: Mapping[str, Any], text: str) -> None:  # noqa: ARG002  the port's
        self._clear()
        self._out.write(f"{text}\n")
        self._out.flush()

    def _clear(self) -> None:
        if self._drawn:
            self._err.write("\r" + " " * 110 + "\r")
            self._drawn = False


def reporter_of(as_json: bool, clock: Clock) -> Reporter:
    """Return the reporter for this process."""
    return JsonReporter(sys.stdout, clock) if as_json else TextReporter(sys.stderr, sys.stdout, clock)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
