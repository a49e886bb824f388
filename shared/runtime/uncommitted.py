"""What a loop has handled and not yet committed: when that is due, and in which order it becomes durable."""

import logging
import time
from collections.abc import Iterable, Iterator

from shared.errors import TransientError
from shared.ports import Record, RecordReader, RecordWriter, TopicPartition
from shared.runtime.failpoints import failpoint
from shared.runtime.handler import CommitPolicy, Handler
from shared.runtime.meter import LoopMeter
from shared.runtime.service import Runtime

_log = logging.getLogger(__name__)


class Uncommitted:
    """Offsets that may be stored once every effect before them is durable.

    Args:
        reader: Stores offsets.
        handler: Flushed first.
        writer: Flushed then: dead letters, and anything that the handler sends.
        policy: When to commit.
        runtime: Clock, and the name in failpoints.
        meter: Counts what came through.
    """

    def __init__(
        self,
        reader: RecordReader,
        handler: Handler,
        writer: RecordWriter,
        policy: CommitPolicy,
        runtime: Runtime,
        meter: LoopMeter,
    ) -> None:
        self._reader = reader
        self._handler = handler
        self._writer = writer
        self._policy = policy
        self._name = runtime.name
        self._now = runtime.clock.monotonic
        self._meter = meter
        self._offsets: dict[TopicPartition, int] = {}
        self._oldest = self._newest = 0.0  # monotonic seconds of the first uncommitted and of the last record
        self.commits = 0
        """How many came through."""

    def add(self, record: Record) -> None:
        """Note that a record is handled, or set aside."""
        self._newest = self._now()
        if not self._offsets:
            self._oldest = self._newest
        position = record.position
        self._offsets[(position.topic, position.partition)] = position.offset + 1

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget partitions that belong to others."""
        for partition in partitions:
            self._offsets.pop(partition, None)

    def clear(self) -> None:
        """Forget everything: it is read again."""
        self._offsets.clear()

    @property
    def age(self) -> float:
        """Return the age of the first record that is not committed, in seconds; 0 where there is none."""
        return self._now() - self._oldest if self._offsets else 0.0

    def is_due(self, *, more: bool) -> bool:
        """Return whether to commit now; `more` says whether records are at hand already."""
        if not self._offsets:
            return False
        now = self._now()
        return (
            self._handler.pending_rows >= self._policy.max_rows
            or now - self._oldest >= self._policy.max_seconds
            or (self._handler.flush_when_idle and not more and now - self._newest >= self._policy.idle_seconds)
        )

    def commit(self) -> None:
        """Make everything handled durable, then store its offsets.

        Raises:
            TransientError: not now; what is handled is kept.
            PartitionsLostError: partitions belong to others already.
        """
        if not self._offsets:
            return
        failpoint(f"{self._name}.before_flush")
        with self._meter.step("flush"):
            self._handler.flush()
        with self._meter.step("deliver"):
            self._writer.flush(self._policy.flush_seconds)
        failpoint(f"{self._name}.before_commit")
        with self._meter.step("commit"):
            self._reader.commit(self._offsets)
        failpoint(f"{self._name}.after_commit")
        self._offsets.clear()
        self.commits += 1
        self._meter.committed()

    def commit_within(self, seconds: float) -> None:
        """Commit, trying again for about `seconds`: where polling is not possible."""
        deadline = self._now() + seconds
        for pause in _pauses(self._policy.retry_seconds, seconds):
            try:
                return self.commit()
            except TransientError as error:
                if self._now() + pause > deadline:
                    raise
                _log.warning("%s", error)
                time.sleep(pause)
        return self.commit()


def _pauses(first: float, total: float) -> Iterator[float]:
    """Yield doubling pauses that together last no longer than `total`."""
    while total > 0:
        pause = min(first, total)
        yield pause
        total -= pause
        first *= 2
