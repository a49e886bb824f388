"""The Source port: what every origin of data looks like to the producers, history and live."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from shared.contracts.messages import Message


@dataclass(frozen=True, slots=True)
class Unit:
    """The piece that a run resumes by: a file, or a ticker and month. Its id stays the same over restarts.

    Attributes:
        id: Unique within the run, stable.
        weight: Expected size in any unit that sums to the total of the progress bar (bytes, rows, requests).
    """

    id: str
    weight: int


@dataclass(frozen=True, slots=True)
class Bars:
    """Valid or invalid bars of one ticker and one ISO week, as read, repetitions removed.

    Attributes:
        frame: Exactly BAR_COLUMNS; the producer validates it.
        duplicates: Exact repetitions that were removed from it.
        origin: For dead letters: `files:<path>` or the source's name.
        rows: Row numbers in the origin (1 = first after the header), one a row of `frame`; None where there are none.
    """

    frame: pl.DataFrame
    duplicates: int = 0
    origin: str = ""
    rows: pl.Series | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One macro vintage, filing or corporate action."""

    key: str
    message: Message
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Input that cannot become a message: rows, or a whole file. It goes to the dead letters.

    Attributes:
        origin: `files:<path>` or the source's name.
        row: Number of the (first) row, 1 = first after the header; 0 for the file as a whole.
        raw: Its bytes as read, or their first 64 KiB.
        length: How many bytes it has.
        reason: One line.
        error_class: Stable short name.
        rows: How many rows are lost to the run by it; 0 where they cannot be counted: a file refused as a whole
            (row 0) or damaged after `row`. Such a fault makes the run exit with 1 once all else is published.
    """

    origin: str
    row: int
    raw: bytes
    length: int
    reason: str
    error_class: str
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """What people should read though nothing is wrong, such as a file with a header only. It goes to the log."""

    origin: str
    text: str


@dataclass(frozen=True, slots=True)
class Advanced:
    """So much of the unit's weight was read since the last one: moves the progress bar inside a large unit."""

    weight: int


@dataclass(frozen=True, slots=True)
class Reached:
    """Live: whatever became known before `at` (aware, UTC) was yielded before; a restarted stream may begin there."""

    at: datetime


Item = Bars | Fact | Refused | Note | Advanced | Reached


class Source(Protocol):
    """History. Units in a stable order; reading a unit again gives the same items."""

    @property
    def name(self) -> str:
        """Return what `source` says in every message: files, alpaca, fred, simulated."""
        ...

    @property
    def simulated(self) -> bool:
        """Return whether the data are made up."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """Return what the run id is the hash of: tickers, range, and settings that change what is read. No secrets."""
        ...

    @property
    def run_set(self) -> str:
        """Return source and tickers: a newer run of the same set releases an older one."""
        ...

    def units(self) -> Sequence[Unit]:
        """Return the pieces of the run.

        Raises:
            ConfigurationError: nothing can be read (no such folder, no key).
        """
        ...

    def read(self, unit: Unit) -> Iterator[Item]:
        """Yield the unit's items in bounded memory.

        Raises:
            TransientError: the origin did not answer within the bounds of retry.
        """
        ...


class LiveSource(Protocol):
    """Live data: items as they become known, until told to stop."""

    @property
    def name(self) -> str:
        """Return what `source` says in every message."""
        ...

    @property
    def simulated(self) -> bool:
        """Return whether the data are made up."""
        ...

    def stream(self, stopping: Callable[[], bool]) -> Iterator[Sequence[Item]]:
        """Yield batches of items as they become known; an empty batch at least once a second keeps the loop awake.

        Raises:
            TransientError: the connection was lost and could not be made again within the bounds of retry.
        """
        ...
