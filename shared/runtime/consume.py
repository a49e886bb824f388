"""The loop that every consuming service runs: read, check, handle, and commit only what is durable."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeVar

from shared.errors import PoisonMessageError, TransientError
from shared.kafka.dead_letters import DeadLetters
from shared.ports import PartitionsLostError, Record, RecordReader, RecordWriter, TopicPartition
from shared.runtime.checks import check_record
from shared.runtime.failpoints import failpoint
from shared.runtime.handler import CommitPolicy, Handler, RejectShare
from shared.runtime.heartbeat import State
from shared.runtime.meter import LoopMeter, count_error
from shared.runtime.service import Runtime

_log = logging.getLogger(__name__)
_BEAT_SECONDS: Final = 1.0
# While a batch takes long, Kafka is polled so often that we stay a member (max.poll.interval.ms).
_POLL_SECONDS: Final = 30.0
T = TypeVar("T")


class _GoneError(Exception):
    """The record at hand is no longer ours, or will be read again."""


class ConsumeLoop:
    """Reads records, has them handled, and commits their offsets once every effect is durable.

    A commit is: flush the handler, flush the writer (dead letters), store the offsets; failpoints named
    `<service>.before_flush`, `.before_commit` and `.after_commit` lie between. After any error but TransientError
    nothing is committed: the process ends and what is not committed is read again.

    Args:
        reader: Where records come from. Whoever made it closes it.
        handler: What they are turned into.
        dead_letters: Where refused ones go.
        writer: What dead letters (and anything that the handler sends) are written by.
        policy: When to commit, and how patient to be.
        runtime: Name, clock, stop flag, heartbeat.
    """

    def __init__(
        self,
        reader: RecordReader,
        handler: Handler,
        dead_letters: DeadLetters,
        writer: RecordWriter,
        policy: CommitPolicy,
        runtime: Runtime,
    ) -> None:
        self._reader = reader
        self._handler = handler
        self._dead_letters = dead_letters
        self._writer = writer
        self._policy = policy
        self._runtime = runtime
        self._batch: deque[Record] = deque()  # never replaced: rebalances change it from inside `_poll`
        self._pending: dict[TopicPartition, int] = {}
        self._oldest = self._newest = 0.0  # monotonic seconds of the first uncommitted and of the last record
        self._polled = float("-inf")
        self._current: TopicPartition | None = None
        self._gone = self._rewind = self._detached = False
        self._rejects = RejectShare(policy.reject_window, policy.reject_records)
        self._counters = dict.fromkeys(("records", "rows", "rejects", "dead_letters", "commits", "retries"), 0)
        self._meter = LoopMeter()
        self._beaten: tuple[float, State, str] = (float("-inf"), "starting", "")
        self._goal: int | None = None
        self._deadline: float | None = None

    def run(self, count: int | None = None, timeout: float | None = None) -> int:
        """Run until stopped, or until `count` records are handled or `timeout` seconds (of the clock) have passed.

        What was handled is committed at the end.

        Returns:
            How many records were handled.

        Raises:
            ContractError: the stream is one that this release must not read on.
            DeliveryError: a dead letter was refused for good.
        """
        before = self._counters["records"]
        self._goal = None if count is None else before + count
        self._deadline = None if timeout is None else self._now() + timeout
        if self._detached:  # an earlier run failed in the middle of a record
            self._discard()
            self._detached = False
        self._reader.resume()
        try:
            self._reader.subscribe(self._revoked, self._lost)
            while not self._is_over():
                self._step()
            self._commit_within(self._policy.revoke_seconds)
            self._runtime.heartbeat.beat("running", "", self._counters)
        except TransientError as error:
            self._detached = True
            if not self._is_out_of_time():
                raise
            _log.warning("stopped without a last commit, what is not committed will be read again: %s", error)
        except BaseException:
            self._detached = True
            raise
        return self._counters["records"] - before

    def _step(self) -> None:
        if not self._batch:
            self._batch.extend(self._poll(self._policy.poll_seconds))
        elif self._now() - self._polled > _POLL_SECONDS:
            self._reader.pause()
            self._batch.extend(self._poll(0))
            self._reader.resume()
        while self._batch and not self._is_over():
            self._take(self._batch.popleft())
            if self._is_due():
                break
        self._meter.tell()
        if self._is_due():
            self._patiently(self._commit)
        if self._rejects.exceeds(self._policy.reject_share_max):
            self._hold()
        self._beat("running")

    def _poll(self, timeout: float) -> list[Record]:
        self._polled = self._now()
        records = self._reader.poll(timeout)
        if self._rewind:  # what was read is of no use: everything uncommitted is read again, in order
            self._reader.rewind()
            self._rewind = False
            return []
        self._meter.polled(len(records))
        return records

    def _take(self, record: Record) -> None:
        """Handle one record, or set it aside; afterwards its offset may be committed."""
        self._current, self._gone = _slot(record), False
        begun, rows = time.perf_counter(), 0
        try:
            rows = self._handle_or_refuse(record)
        except _GoneError:
            return
        finally:
            self._current = None
        self._newest = self._now()
        if not self._pending:
            self._oldest = self._newest
        self._pending[_slot(record)] = record.position.offset + 1
        self._meter.took(record, rows, time.perf_counter() - begun)
        self._counters["records"] += 1
        self._counters["dead_letters"] = self._dead_letters.count

    def _handle_or_refuse(self, record: Record) -> int:
        """Return how many rows were taken."""
        try:
            self._patiently(partial(check_record, record, self._reader))
            handled = self._patiently(partial(self._handler.handle, record))
        except PoisonMessageError as error:
            self._patiently(partial(self._dead_letters.refuse, record, error))
            self._rejects.add_whole()
            self._counters["rejects"] += 1
            count_error(error)
            return 0
        rejects = 0
        for part in handled.rejected:
            refuse = self._dead_letters.refuse_rows
            self._patiently(partial(refuse, record, part.value, part.rows, part.reason, part.error_class))
            rejects += part.rows
        self._rejects.add(handled.rows + rejects, rejects)
        self._counters["rows"] += handled.rows
        self._counters["rejects"] += rejects
        return handled.rows

    def _is_due(self) -> bool:
        if not self._pending:
            return False
        now = self._now()
        return (
            self._handler.pending_rows >= self._policy.max_rows
            or now - self._oldest >= self._policy.max_seconds
            or (self._handler.flush_when_idle and not self._batch and now - self._newest >= self._policy.idle_seconds)
        )

    def _commit(self) -> None:
        """Make everything handled durable, then store its offsets."""
        if not self._pending:
            return
        failpoint(f"{self._runtime.name}.before_flush")
        with self._meter.step("flush"):
            self._handler.flush()
        with self._meter.step("deliver"):
            self._writer.flush(self._policy.flush_seconds)
        failpoint(f"{self._runtime.name}.before_commit")
        try:
            with self._meter.step("commit"):
                self._reader.commit(self._pending)
        except PartitionsLostError as error:
            _log.warning("%s", error)
            count_error(error)
            self._discard()
            return
        failpoint(f"{self._runtime.name}.after_commit")
        self._pending.clear()
        self._counters["commits"] += 1
        self._meter.committed()

    def _commit_within(self, seconds: float) -> None:
        """Commit, trying again for about `seconds`: where polling is not possible."""
        deadline = self._now() + seconds
        for pause in _pauses(self._policy.retry_seconds, seconds):
            try:
                return self._commit()
            except TransientError as error:
                if self._now() + pause > deadline:
                    raise
                _log.warning("%s", error)
                time.sleep(pause)
        return self._commit()

    def _patiently(self, action: Callable[[], T]) -> T:
        """Return the result of `action`; while it is not possible, pause and keep the membership alive."""
        pause = self._policy.retry_seconds
        while True:
            try:
                result = action()
            except TransientError as error:
                if self._is_out_of_time():
                    raise
                self._wait_out(error, pause)
                pause = min(2 * pause, self._policy.retry_max_seconds)
            else:
                self._reader.resume()
                return result

    def _wait_out(self, error: TransientError, seconds: float) -> None:
        _log.warning("paused: %s", error)
        self._counters["retries"] += 1
        self._meter.paused(error)
        self._reader.pause()
        while seconds > 0 and not self._is_out_of_time():
            self._beat("paused", str(error))
            wait = min(seconds, self._policy.poll_seconds)
            self._batch.extend(self._poll(wait))
            self._meter.waited(wait)
            seconds -= wait
        if self._current is not None and self._gone:
            self._reader.resume()
            raise _GoneError

    def _hold(self) -> None:
        """Stand still until stopped: so many refused rows mean that the input is wrong, not single rows of it."""
        share, most = self._rejects.share, self._policy.reject_share_max
        detail = (
            f"{share:.0%} of the last {self._rejects.records:,} records were refused (limit {most:.0%}): "
            "look at `tickerstream dlq list`, mend the producer, then start this service again."
        )
        self._patiently(self._commit)
        self._reader.pause()
        _log.error("paused: %s", detail)
        while not self._is_out_of_time():
            self._beat("paused", detail)
            self._poll(self._policy.poll_seconds)
            self._meter.waited(self._policy.poll_seconds)

    def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Commit while the partitions are still ours; what cannot be made durable now is left to the next owner."""
        if self._detached:
            return
        try:
            self._commit_within(self._policy.revoke_seconds)
        except TransientError as error:
            _log.warning("partitions go without a last commit, their next owner reads them again: %s", error)
            self._discard()
        for record in [record for record in self._batch if _slot(record) in partitions]:
            self._batch.remove(record)  # in place: `_poll` may be about to add to it
        for partition in partitions:
            self._pending.pop(partition, None)
        self._gone = self._gone or self._current in partitions

    def _lost(self, partitions: frozenset[TopicPartition]) -> None:
        if not self._detached:
            _log.warning("lost %d partitions: dropping what is not committed", len(partitions))
            self._discard()

    def _discard(self) -> None:
        """Drop everything uncommitted; what is still ours is read again."""
        self._handler.discard()
        self._batch.clear()
        self._pending.clear()
        self._meter.dropped()
        self._gone = self._rewind = True

    def _is_over(self) -> bool:
        return self._is_out_of_time() or (self._goal is not None and self._counters["records"] >= self._goal)

    def _is_out_of_time(self) -> bool:
        return self._runtime.stopping() or (self._deadline is not None and self._now() >= self._deadline)

    def _now(self) -> float:
        return self._runtime.clock.monotonic()

    def _beat(self, state: State, detail: str = "") -> None:
        """Write the heartbeat, at most once a second while nothing changes."""
        at, *said = self._beaten
        if self._now() - at >= _BEAT_SECONDS or said != [state, detail]:
            self._runtime.heartbeat.beat(state, detail, self._counters)
            self._meter.uncommitted(self._now() - self._oldest if self._pending else 0.0)
            self._beaten = (self._now(), state, detail)


def _slot(record: Record) -> TopicPartition:
    return record.position.topic, record.position.partition


def _pauses(first: float, total: float) -> Iterator[float]:
    """Yield doubling pauses that together last no longer than `total`."""
    while total > 0:
        pause = min(first, total)
        yield pause
        total -= pause
        first *= 2
