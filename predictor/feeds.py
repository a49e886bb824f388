"""The topics that the predictor's state is made of: read whole at the start, then followed, each in its own thread."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from shared.errors import PoisonMessageError, TransientError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.follow import follow_batches
from shared.kafka.scan import read_topic
from shared.ports import Record
from shared.runtime.checks import check_schema
from shared.runtime.stopping import Stopping
from shared.settings import KafkaSettings

RETRY_SECONDS: Final = 1.0
ADMIN_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Refusals:
    """Sets aside what is no message, so that it neither stops a feed nor disappears.

    Args:
        dead_letters: Where it goes; durable with the writer's next flush.
    """

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters

    @property
    def count(self) -> int:
        """Return how many records were refused."""
        return self._dead_letters.count

    def decoded(self, records: Iterable[Record], decode: Callable[[Record], T]) -> Iterator[T]:
        """Yield the messages of `records`; those that are none become dead letters."""
        for record in records:
            try:
                check_schema(record)
                yield decode(record)
            except PoisonMessageError as error:
                _log.warning("%s refused: %s", record.position, error)
                self._dead_letters.refuse(record, error)


class Feed:
    """One topic, read whole, then followed.

    Args:
        kafka: Where Kafka is.
        topic: What to read.
        stopping: Ends it.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, stopping: Stopping) -> None:
        self._kafka = kafka
        self._topic = topic
        self._stopping = stopping
        self._next: dict[int, int] = {}
        self.trouble = ""

    def read(self, take: Callable[[Record], None]) -> None:
        """Give everything that the topic holds to `take`, waiting for Kafka as long as it takes, or until stopping.

        Where Kafka goes away halfway it begins again: taking a record twice must change nothing.
        """
        while not self._stopping():
            try:
                ends = KafkaAdmin(self._kafka, "predictor", patience=ADMIN_SECONDS).end_offsets(self._topic)
                for record in read_topic(self._kafka, self._topic, end=ends):
                    take(record)
                    if self._stopping():
                        return
            except TransientError as error:
                self._wait(error)
            else:
                self._next, self.trouble = dict(ends), ""
                return

    def follow(self, take: Callable[[list[Record]], None]) -> None:
        """Give new records to `take`, an empty list about twice a second while there are none, until stopping."""
        while not self._stopping():
            try:
                for batch in follow_batches(self._kafka, self._topic, self._next, self._stopping):
                    take(batch)
                    self.trouble = ""
                    for record in batch:
                        self._next[record.position.partition] = record.position.offset + 1
            except TransientError as error:
                self._wait(error)

    def _wait(self, error: TransientError) -> None:
        if not self._stopping():
            _log.warning("%s: %s", self._topic, error)
        self.trouble = str(error)
        self._stopping.wait(RETRY_SECONDS)


class Threads:
    """Threads whose failure ends the process.

    Args:
        stopping: Set when one fails.
    """

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Start a thread."""

        def guarded() -> None:
            try:
                work()
            except TransientError as error:  # only raised on when stopping
                _log.warning("%s ended: %s", name, error)
            except Exception as error:
                self._failure = self._failure or error
                self._stopping.set()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self, seconds: float) -> None:
        """Wait for all of them, up to `seconds` in all; then raise what one failed of."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._failure is not None:
            raise self._failure
