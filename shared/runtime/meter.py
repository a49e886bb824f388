"""Counts for Prometheus what a consume loop does: added up in plain numbers, told once a poll."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from prometheus_client import Counter, Gauge

from shared.errors import TickerstreamError
from shared.metrics import consuming
from shared.metrics.process import ERRORS
from shared.ports import Record

_STEPS: Final = {step: consuming.COMMIT_SECONDS.labels(step) for step in ("flush", "deliver", "commit")}


def count_error(error: BaseException) -> None:
    """Count an error by its class: one of ours by its own name, others together by theirs."""
    ERRORS.labels(type(error).__name__).inc()


class LoopMeter:
    """What one loop counts. The instruments of a topic are looked up once; nothing is told a record."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Counter, Counter, Gauge]] = {}
        self._taken: dict[str, list[int]] = {}
        self._newest: dict[str, Record] = {}
        self._seconds = 0.0
        self._batch = 0

    def polled(self, records: int) -> None:
        """Count what a poll returned."""
        if records:
            consuming.POLL_RECORDS.observe(records)

    def took(self, record: Record, rows: int, seconds: float) -> None:
        """Count a record that is handled or refused, the rows taken from it, and the time that took."""
        topic = record.position.topic
        taken = self._taken.get(topic)
        if taken is None:
            taken = self._taken[topic] = [0, 0]
        taken[0] += 1
        taken[1] += rows
        self._newest[topic] = record
        self._seconds += seconds

    def tell(self) -> None:
        """Tell what was taken since the last time."""
        if not self._newest:
            return
        for topic, record in self._newest.items():
            records, rows, newest = self._instruments(topic)
            taken = self._taken[topic]
            records.inc(taken[0])
            rows.inc(taken[1])
            newest.set(record.timestamp.timestamp())
            self._batch += taken[0]
            taken[:] = 0, 0
        consuming.HANDLE_SECONDS.observe(self._seconds)
        self._newest.clear()
        self._seconds = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step of a commit that comes through."""
        begun = perf_counter()
        yield
        _STEPS[name].observe(perf_counter() - begun)

    def committed(self) -> None:
        """Count a commit that came through."""
        self.tell()
        consuming.BATCH_RECORDS.observe(self._batch)
        self._batch = 0

    def dropped(self) -> None:
        """Forget what was taken and will be read again."""
        self.tell()
        self._batch = 0

    def waited(self, seconds: float) -> None:
        """Count time in which the loop stood still."""
        consuming.PAUSED.inc(seconds)

    def paused(self, error: TickerstreamError) -> None:
        """Count a pause and why."""
        consuming.PAUSES.inc()
        count_error(error)

    def uncommitted(self, seconds: float) -> None:
        """Tell the age of the oldest record that is not committed."""
        consuming.UNCOMMITTED.set(seconds)

    def _instruments(self, topic: str) -> tuple[Counter, Counter, Gauge]:
        found = self._of.get(topic)
        if found is None:
            found = self._of[topic] = (
                consuming.RECORDS.labels(topic),
                consuming.ROWS.labels(topic),
                consuming.RECORD_TIME.labels(topic),
            )
        return found
