"""Sending with patience: while Kafka is away a producer waits, says so in its heartbeat, and loses nothing."""

from collections.abc import Callable
from typing import Final

from shared.errors import TransientError
from shared.ports import Outgoing, Position, RecordWriter
from shared.runtime.service import Runtime

_SETTLE_SECONDS: Final = 5.0


class StoppedError(Exception):
    """The process was asked to stop while Kafka did not answer."""


class Delivery:
    """A writer that is waited for.

    Args:
        writer: Sends the records.
        runtime: Its clock bounds the patience, its stop flag ends it.
        seconds: How long Kafka may be silent.
    """

    def __init__(self, writer: RecordWriter, runtime: Runtime, seconds: float) -> None:
        self._writer = writer
        self._runtime = runtime
        self._seconds = seconds

    def send(self, record: Outgoing, on_delivered: Callable[[Position], None] | None = None) -> None:
        """Queue a record, waiting while the queue is full.

        Raises:
            TransientError: Kafka was silent for too long.
            StoppedError: the process is to end.
        """
        self._patiently(lambda: self._writer.send(record, on_delivered))

    def flush(self) -> None:
        """Wait until everything sent is durable.

        Raises:
            TransientError: Kafka was silent for too long.
            StoppedError: the process is to end.
        """
        self._patiently(lambda: self._writer.flush(5.0))

    def settle(self) -> None:
        """Give what was sent a few seconds to be confirmed, at the end of a process.

        Raises:
            TransientError: something is not confirmed.
        """
        self._writer.flush(_SETTLE_SECONDS)

    def _patiently(self, call: Callable[[], None]) -> None:
        first: float | None = None
        while True:
            try:
                call()
            except TransientError as error:
                now = self._runtime.clock.monotonic()
                first = now if first is None else first
                if now - first > self._seconds:
                    raise
                self._runtime.heartbeat.beat("paused", str(error))
                if self._runtime.stopping.wait(0.2):
                    raise StoppedError from error
            else:
                return
