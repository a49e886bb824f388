"""The loop that every consuming service runs: read, check, handle, and commit only what is durable."""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from shared.errors import TransientError
from shared.kafka.dead_letters import DeadLetters
from shared.ports import PartitionsLostError, Record, RecordReader, RecordWriter, TopicPartition
from shared.runtime.handler import CommitPolicy, Handler
from shared.runtime.heartbeat import State
from shared.runtime.meter import LoopMeter, count_error
from shared.runtime.service import Runtime
from shared.runtime.taking import RecordTaker
from shared.runtime.uncommitted import Uncommitted

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
        self._policy = policy
        self._runtime = runtime
        self._meter = LoopMeter()
        self._taker = RecordTaker(reader, handler, dead_letters, policy)
        self._uncommitted = Uncommitted(reader, handler, writer, policy, runtime, self._meter)
        self._batch: deque[Record] = deque()  # never replaced: rebalances change it from inside `_poll`
        self._polled = float("-inf")
        self._current: TopicPartition | None = None
        self._gone = self._rewind = self._detached = False
        self._records = self._retries = 0
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
        before = self._records
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
            self._commit(within=self._policy.revoke_seconds)
            self._runtime.heartbeat.beat("running", "", self._counters)
        except TransientError as error:
            self._detached = True
            if not self._is_out_of_time():
                raise
            _log.warning("stopped without a last commit, what is not committed will be read again: %s", error)
        except BaseException:
            self._detached = True
            raise
        return self._records - before

    def _step(self) -> None:
        if not self._batch:
            self._batch.extend(self._poll(self._policy.poll_seconds))
        elif self._now() - self._polled > _POLL_SECONDS:
            self._reader.pause()
            self._batch.extend(self._poll(0))
            self._reader.resume()
        while self._batch and not self._is_over():
            self._take(self._batch.popleft())
            if self._uncommitted.is_due(more=bool(self._batch)):
                break
        self._meter.tell()
        if self._uncommitted.is_due(more=bool(self._batch)):
            self._patiently(self._commit)
        if detail := self._taker.too_many_refused:
            self._hold(detail)
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
            rows = self._taker.take(record, self._patiently)
        except _GoneError:
            return
        finally:
            self._current = None
        self._uncommitted.add(record)
        self._meter.took(record, rows, time.perf_counter() - begun)
        self._records += 1

    def _commit(self, within: float | None = None) -> None:
        """Commit, once or trying again for `within` seconds; where partitions are lost, drop what is not committed."""
        try:
            if within is None:
                self._uncommitted.commit()
            else:
                self._uncommitted.commit_within(within)
        except PartitionsLostError as error:
            _log.warning("%s", error)
            count_error(error)
            self._discard()

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
        self._retries += 1
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

    def _hold(self, detail: str) -> None:
        """Stand still until stopped: so many refused rows mean that the input is wrong, not single rows of it."""
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
            self._commit(within=self._policy.revoke_seconds)
        except TransientError as error:
            _log.warning("partitions go without a last commit, their next owner reads them again: %s", error)
            self._discard()
        for record in [record for record in self._batch if _slot(record) in partitions]:
            self._batch.remove(record)  # in place: `_poll` may be about to add to it
        self._uncommitted.forget(partitions)
        self._gone = self._gone or self._current in partitions

    def _lost(self, partitions: frozenset[TopicPartition]) -> None:
        if not self._detached:
            _log.warning("lost %d partitions: dropping what is not committed", len(partitions))
            self._discard()

    def _discard(self) -> None:
        """Drop everything uncommitted; what is still ours is read again."""
        self._handler.discard()
        self._batch.clear()
        self._uncommitted.clear()
        self._meter.dropped()
        self._gone = self._rewind = True

    def _is_over(self) -> bool:
        return self._is_out_of_time() or (self._goal is not None and self._records >= self._goal)

    def _is_out_of_time(self) -> bool:
        return self._runtime.stopping() or (self._deadline is not None and self._now() >= self._deadline)

    def _now(self) -> float:
        return self._runtime.clock.monotonic()

    @property
    def _counters(self) -> dict[str, int]:
        taker = self._taker
        return {
            "records": self._records,
            "rows": taker.rows,
            "rejects": taker.rejects,
            "dead_letters": taker.dead_letters,
            "commits": self._uncommitted.commits,
            "retries": self._retries,
        }

    def _beat(self, state: State, detail: str = "") -> None:
        """Write the heartbeat, at most once a second while nothing changes."""
        at, *said = self._beaten
        if self._now() - at >= _BEAT_SECONDS or said != [state, detail]:
            self._runtime.heartbeat.beat(state, detail, self._counters)
            self._meter.uncommitted(self._uncommitted.age)
            self._beaten = (self._now(), state, detail)


def _slot(record: Record) -> TopicPartition:
    return record.position.topic, record.position.partition
