"""Feature rows while they are made: how many of a run's bars have one, until the aggregator is done with the run."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from cli.pipeline.patience import Patience
from cli.progress import Line
from shared.errors import ConfigurationError, TransientError
from shared.storage.feature_reader import FeatureReader
from shared.storage.runs_store import Run

LOOK_SECONDS: Final = 0.3
STALL_SECONDS: Final = 300.0
# Counting reads the whole table: it may take this share of the time.
COUNT_SHARE: Final = 0.05


class FeatureWatch:
    """Watches the rows of one run.

    Args:
        reader: Where rows are counted.
        run: Returns how the aggregator stands with the run; None while it has not heard of it.
        bars: Bars of each ticker of the run: so many rows are due.
        line: Where progress is shown.
        health: Raises when the stack is not able to go on.
    """

    def __init__(
        self,
        reader: FeatureReader,
        run: Callable[[], Run | None],
        bars: Mapping[str, int],
        line: Line,
        health: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._run = run
        self._bars = bars
        self._line = line
        self._health = health
        self._patiently = Patience(line.board, health)
        self._next_count = 0.0

    def wait(self) -> dict[str, int]:
        """Wait until the aggregator is done with the run; return the rows of each of its tickers.

        Raises:
            ConfigurationError: the run was given up.
            TransientError: nothing moved for STALL_SECONDS.
        """
        rows, since = -1, time.monotonic()
        while not self._done():
            now = time.monotonic()
            if now >= self._next_count:
                total = sum(self.count().values())
                if total != rows:
                    rows, since = total, time.monotonic()
            if now - since > STALL_SECONDS:
                raise TransientError(
                    f"the aggregator made no row for {STALL_SECONDS:g} s; see `tickerstream status` and "
                    "`tickerstream logs aggregator`."
                )
            self._health()
            time.sleep(LOOK_SECONDS)
        found = self.count()
        self._line.finish(sum(found.values()))
        return found

    def count(self) -> dict[str, int]:
        """Count and show the rows of the run's tickers."""
        begun = time.monotonic()
        found = {one.ticker: one.rows for one in self._patiently(self._reader.coverage) if one.ticker in self._bars}
        took = time.monotonic() - begun
        self._next_count = time.monotonic() + max(1.0, took / COUNT_SHARE)
        complete = sum(found.get(ticker, 0) >= bars for ticker, bars in self._bars.items())
        self._line.update(
            sum(found.values()), sum(self._bars.values()), f"{complete} of {len(self._bars)} tickers complete"
        )
        return found

    def _done(self) -> bool:
        run = self._patiently(self._run)
        if run is not None and run.state in {"aborted", "superseded"}:
            raise ConfigurationError(
                f"The run {run.run_id} was given up: {run.reason or run.state}; start it again to go on."
            )
        return run is not None and run.state == "done"
