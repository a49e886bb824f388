"""Files told again as if live: the bars of some sessions, minute by minute, marked as a replay."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from producers.files.options import FileOptions
from producers.files.stock import StockFiles
from producers.source import Bars, Item, Note
from shared.clock import Clock

NAME: Final = "replay"
"""What `source` says of such a bar, so that it is never taken for one that was observed live."""

_LONGEST_WAIT: Final = 0.5  # real seconds
_LONGEST_NIGHT: Final = 60.0  # seconds of the replay that pass, at most, between two minutes that have bars


class FilesReplay:
    """A LiveSource that reads files. The bars in the range of its options are held in memory.

    Args:
        root: The folder or file.
        options: How to read it; `start` and `end` say what is replayed.
        clock: Measures the pace.
        speed: Seconds of the replay a real second; nights are cut to a minute.
        resume_after: Bars known up to this instant (aware) were told before.
        wait: Waits for so many real seconds.
    """

    name = NAME
    simulated = False

    def __init__(
        self,
        root: Path,
        options: FileOptions,
        clock: Clock,
        speed: float,
        resume_after: datetime | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = StockFiles(root, options)
        self._clock = clock
        self._speed = speed
        self._resume_after = resume_after
        self._wait = wait

    def stream(self, stopping: Callable[[], bool]) -> Iterator[Sequence[Item]]:
        """Yield the bars of each minute when it is due, then end."""
        due, before = self._clock.monotonic(), None
        for (known_at,), bars in self._bars().group_by("known_at", maintain_order=True):
            if not isinstance(known_at, datetime):
                continue
            due += self._pause(before, known_at)
            before = known_at
            while (left := due - self._clock.monotonic()) > 0 and not stopping():
                self._wait(min(left, _LONGEST_WAIT))
                if left > _LONGEST_WAIT:
                    yield ()
            if stopping():
                return
            yield [Bars(part, origin=NAME) for part in bars.partition_by("ticker", maintain_order=True)]
        yield [Note(NAME, "every bar of the files was told")]

    def _pause(self, before: datetime | None, known_at: datetime) -> float:
        if before is None:
            return 0.0
        return min(_LONGEST_NIGHT, (known_at - before) / timedelta(seconds=1)) / self._speed

    def _bars(self) -> pl.DataFrame:
        """Return the bars that are still to be told, by the time at which they become known.

        What is refused in the files is the affair of whoever publishes them as history.
        """
        items = (item for unit in self._source.units() for item in self._source.read(unit))
        frames = [item.frame for item in items if isinstance(item, Bars)]
        if not frames:
            return pl.DataFrame({"known_at": []}, schema={"known_at": pl.Datetime("us", "UTC")})
        bars = pl.concat(frames).with_columns(pl.lit(NAME).alias("source")).sort("known_at", "ticker")
        return bars if self._resume_after is None else bars.filter(pl.col("known_at") > self._resume_after)
