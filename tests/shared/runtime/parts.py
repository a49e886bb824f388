"""What the loop's tests run it with: a sink that can fail, a runtime, and a thread to run in."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.clock import Clock, SystemClock
from shared.contracts.dead_letters import TOPIC as DEAD
from shared.contracts.dead_letters import DeadLetter
from shared.errors import PoisonMessageError
from shared.kafka.dead_letters import DeadLetters
from shared.ports import Outgoing, Record, RecordReader, RecordWriter, TopicPartition
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.loops import CommitPolicy, ConsumeLoop, Handled, RejectedRows
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping
from shared.settings import RuntimeSettings
from shared.testing.memory_kafka import MemoryBroker

EAGER = CommitPolicy(
    max_rows=10, max_seconds=60, reject_share_max=0.5, retry_seconds=0.01, retry_max_seconds=0.02, revoke_seconds=0.05
)


class Sink:
    """A handler whose durable effect is a list of values; `fault` is raised by what it is set for, while it is set."""

    def __init__(self, *, flush_when_idle: bool = False) -> None:
        self.flush_when_idle = flush_when_idle
        self.buffered: list[Record] = []
        self.durable: list[Record] = []
        self.flushes: list[int] = []
        self.handle_fault: Exception | None = None
        self.flush_fault: Exception | None = None

    def handle(self, record: Record) -> Handled:
        """Values are whole numbers; `bad` is poison; `rows:3` is a record with three refused rows and one taken."""
        if self.handle_fault is not None:
            raise self.handle_fault
        value = record.value or b""
        if value.startswith(b"rows:"):
            return Handled(1, (RejectedRows(b"those rows", int(value[5:]), "they are bad", "bad_row"),))
        if not value.isdigit():
            raise PoisonMessageError("not a number", "bad_number")
        self.buffered.append(record)
        return Handled(1)

    def flush(self) -> None:
        if self.flush_fault is not None:
            raise self.flush_fault
        self.flushes.append(len(self.buffered))
        self.durable += self.buffered
        self.buffered.clear()

    def discard(self) -> None:
        self.buffered.clear()

    @property
    def pending_rows(self) -> int:
        return len(self.buffered)

    @property
    def values(self) -> list[int]:
        return sorted(int(record.value or b"") for record in self.durable)


class Member:
    """One loop with all that it hangs on."""

    def __init__(
        self,
        reader: RecordReader,
        writer: RecordWriter,
        sink: Sink,
        policy: CommitPolicy = EAGER,
        *,
        clock: Clock | None = None,
        heartbeat: Path | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.reader = reader
        self.sink = sink
        beats = Heartbeat(heartbeat, "tests.sink", clock)
        self.runtime = Runtime("tests.sink", RuntimeSettings.load(), clock, Stopping(), beats)
        self.dead_letters = DeadLetters(writer, "tests.sink", clock)
        self.loop = ConsumeLoop(reader, sink, self.dead_letters, writer, policy, self.runtime)
        self._beats = heartbeat

    @property
    def beat(self) -> dict[str, Any]:
        """What the heartbeat says now."""
        assert self._beats is not None
        said: dict[str, Any] = json.loads(self._beats.read_text()) if self._beats.exists() else {}
        return said

    @contextmanager
    def running(self) -> Iterator["Member"]:
        """Run in a thread while inside; then stop, and raise what the loop raised."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self.loop.run()
            except BaseException as error:  # raised again below
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield self
        finally:
            self.runtime.stopping.set()
            thread.join(30)
        assert not thread.is_alive()
        if failures:
            raise failures[0]


def fill(broker: MemoryBroker, topic: str, values: range | list[str], headers: dict[str, bytes] | None = None) -> None:
    """Append values, each under a key of its own."""
    for value in values:
        broker.append(Outgoing(topic, f"K{value}".encode(), str(value).encode(), headers or {}))


def letters(broker: MemoryBroker) -> list[DeadLetter]:
    """What lies in the dead-letter topic."""
    return [DeadLetter.from_record(r.key, r.value, r.headers) for r in broker.records(DEAD)]


def ends(broker: MemoryBroker, topic: str) -> dict[TopicPartition, int]:
    """The next offset of each partition that holds something."""
    return {(topic, p): log.high for p, log in enumerate(broker.topics[topic].logs) if log.high}
