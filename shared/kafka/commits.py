"""Stores offsets, each partition's error checked, in a bounded time even on a broker that hangs."""

from concurrent.futures import Future, wait
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as Slot

from shared.errors import TransientError
from shared.kafka.bounded import in_thread
from shared.kafka.config import error_of, translated
from shared.ports import PartitionsLostError

_LOST: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._STATE,
    }
)


class Committer:
    """Commits for one member of a group.

    The library's own call lasts as long as a broker hangs, so it runs in a thread. Until it ends, nothing else may be
    asked of the client, which serves one call at a time: `is_busy` says so.

    Args:
        consumer: The member.
        group: Its group, for errors.
        seconds: How long one commit is waited for.
    """

    def __init__(self, consumer: Any, group: str, seconds: float) -> None:
        self._consumer = consumer
        self._group = group
        self._seconds = seconds
        self._call: Future[list[Slot]] | None = None

    def commit(self, slots: list[Slot], *, in_callback: bool) -> None:
        """Store the offsets.

        Args:
            slots: Next offsets, with metadata.
            in_callback: Whether this is inside a rebalance callback: there a thread would wait for the callback's end,
                and the coordinator has just answered, so the call is made directly.

        Raises:
            PartitionsLostError: the partitions belong to somebody else.
            TransientError: not confirmed; it may still come to count.
        """
        try:
            stored = self._directly(slots) if in_callback else self._in_time(slots)
        except KafkaException as exception:
            raise self._error(error_of(exception)) from None
        for slot in stored:
            if slot.error is not None:
                raise self._error(slot.error)

    def is_busy(self, patience: float = 0) -> bool:
        """Return whether a commit that took too long is still under way after `patience` more seconds."""
        return self._call is not None and bool(wait([self._call], patience).not_done)

    def _directly(self, slots: list[Slot]) -> list[Slot]:
        return list(self._consumer.commit(offsets=slots, asynchronous=False))

    def _in_time(self, slots: list[Slot]) -> list[Slot]:
        silent = TransientError(
            f"Kafka did not confirm the offsets of {self._group} in {self._seconds:g} s. "
            "It is tried again; if it stays, check that the broker runs."
        )
        if self.is_busy(self._seconds):
            raise silent
        self._call = in_thread(lambda: self._directly(slots))
        try:
            return self._call.result(self._seconds)
        except TimeoutError:
            raise silent from None

    def _error(self, error: KafkaError) -> Exception:
        if error.code() in _LOST:
            return PartitionsLostError(f"{self._group}: the commit did not count: {error.str()}")
        return translated(error, f"committing offsets of {self._group}")
