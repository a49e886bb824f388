"""A service for the tests: copies records of a topic into a folder, one file a value, under the real run loop.

    python -m tests.shared.runtime.collector TOPIC GROUP FOLDER SESSION_SECONDS

A flush of a value that is there already adds a line to it: what a file holds is how often its effect was made.
"""

import os
import sys
from pathlib import Path

from shared.errors import PoisonMessageError
from shared.kafka.consumer import KafkaReader, ReaderOptions
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.producer import KafkaWriter
from shared.ports import Record
from shared.runtime.loops import CommitPolicy, ConsumeLoop, Handled
from shared.runtime.service import Runtime, run
from shared.settings import KafkaSettings


class Folder:
    """A handler whose effect is files."""

    flush_when_idle = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._values: list[str] = []

    def handle(self, record: Record) -> Handled:
        value = (record.value or b"").decode()
        if not value.isdigit():
            raise PoisonMessageError("not a number", "bad_number")
        self._values.append(value)
        return Handled(1)

    def flush(self) -> None:
        for value in self._values:
            with (self._folder / value).open("a") as file:
                file.write(f"{os.getpid()}\n")
        self._values.clear()

    def discard(self) -> None:
        self._values.clear()

    @property
    def pending_rows(self) -> int:
        return len(self._values)


def main(runtime: Runtime) -> None:
    topic, group, folder = sys.argv[1:]
    settings = KafkaSettings.load()
    options = ReaderOptions(batch_records=50)
    reader = runtime.resources.enter_context(KafkaReader(settings, group, [topic], runtime.name, options))
    writer = runtime.resources.enter_context(KafkaWriter(settings, runtime.name))
    letters = DeadLetters(writer, runtime.name, runtime.clock)
    policy = CommitPolicy(max_rows=50, max_seconds=1, reject_share_max=0.5, idle_seconds=0.2, poll_seconds=0.2)
    ConsumeLoop(reader, Folder(Path(folder)), letters, writer, policy, runtime).run()


if __name__ == "__main__":
    sys.exit(run("collector", main))
