"""A consumer under test on a real broker: topics and group of its own, a lake in a folder, a thread to run in."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from consumers.kinds import Kind, kind_of
from consumers.service import lake_loop
from consumers.settings import ConsumerSettings
from shared.clock import SystemClock
from shared.contracts.dead_letters import DeadLetter
from shared.contracts.topics import DEAD_LETTERS, TOPICS
from shared.kafka.admin import KafkaAdmin
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import ObjectStore, Outgoing, Position, TopicPartition
from shared.runtime.heartbeat import Heartbeat
from shared.runtime.service import Runtime
from shared.runtime.stopping import Stopping
from shared.settings import KafkaSettings, RuntimeSettings
from shared.storage.folder import FolderStore

CONTRACTS = {topic.name: topic for topic in TOPICS}


@dataclass
class Landing:
    """One consumer, its topics and its lake."""

    kafka: KafkaSettings
    kind: Kind
    store: ObjectStore
    folder: Path
    writer: KafkaWriter
    names: dict[str, str]
    settings: ConsumerSettings
    sent: list[Position] = field(default_factory=list)

    def send(self, topic: str, key: str | None, value: bytes, headers: dict[str, bytes] | None = None) -> "Landing":
        """Send a record to the test's own topic in place of `topic`, durable on return."""
        record = Outgoing(self.names[topic], key.encode() if key is not None else None, value, headers or {})
        self.writer.send(record, self.sent.append)
        self.writer.flush(20)
        return self

    @contextmanager
    def running(self, store: ObjectStore | None = None) -> Iterator["Landing"]:
        """Consume in a thread while inside; then stop, and raise what the loop raised."""
        with self.consuming(store) as failures:
            yield self
        if failures:
            raise failures[0]

    @contextmanager
    def consuming(self, store: ObjectStore | None = None) -> Iterator[list[BaseException]]:
        """Consume in a thread while inside, then stop; yield the list that an error of the loop comes into."""
        clock, failures = SystemClock(), []
        beats = Heartbeat(self.folder / "heartbeat.json", "consumers.tests", clock)
        runtime = Runtime("consumers.tests", RuntimeSettings.load(), clock, Stopping(), beats, ExitStack())

        def work() -> None:
            try:
                with runtime.resources:
                    loop = lake_loop(runtime, self.kind, self.kafka, store or self.store, self.settings)
                    if loop is not None:
                        loop.run()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield failures
        finally:
            runtime.stopping.set()
            thread.join(60)
            assert not thread.is_alive()

    @property
    def beat(self) -> dict[str, Any]:
        """What the heartbeat says now."""
        path = self.folder / "heartbeat.json"
        said: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return said

    def rows(self, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
        """Read the lake with DuckDB by its glob; nothing where it is empty."""
        bucket = self.folder / "lake" / self.kind.dataset.bucket
        if not any(bucket.glob("**/*.parquet")):
            return []
        with duckdb.connect(":memory:") as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(
                f"select {columns} from read_parquet('{bucket}/**/*.parquet', union_by_name = true) where {where}"
            ).fetchall()

    def committed(self) -> dict[TopicPartition, int]:
        """The next offsets that the group has stored."""
        return KafkaAdmin(self.kafka).committed(self.kind.group, self.kind.topics)

    @property
    def ends(self) -> dict[TopicPartition, int]:
        """The next offset after what was sent, by partition."""
        found: dict[TopicPartition, int] = {}
        for at in self.sent:
            found[at.topic, at.partition] = max(found.get((at.topic, at.partition), 0), at.offset + 1)
        return found

    def letters(self) -> list[DeadLetter]:
        """The dead letters of the test's own topics."""
        records = read_topic(self.kafka, DEAD_LETTERS.name)
        letters = [DeadLetter.from_record(record.key, record.value, record.headers) for record in records]
        return [letter for letter in letters if letter.topic in self.kind.topics]


@contextmanager
def landing(bootstrap: str, name: str, folder: Path, **settings: Any) -> Iterator[Landing]:
    """Make the topics, group and lake of one test."""
    kafka = KafkaSettings.load(kafka_bootstrap_servers=bootstrap, kafka_partitions=2)
    kind = kind_of(name, kafka)
    names = {topic: f"{topic}-{uuid4().hex[:8]}" for topic in kind.topics}
    contracts = [replace(CONTRACTS[topic], name=own) for topic, own in names.items()]
    KafkaAdmin(kafka).provision([*contracts, DEAD_LETTERS])
    own = replace(
        kind,
        topics=tuple(names.values()),
        group=f"lake-{uuid4().hex[:8]}",
        live_topics=frozenset(names[topic] for topic in kind.live_topics),
    )
    defaults = {"lake_flush_seconds": 600, "lake_idle_seconds": 0.2}
    with KafkaWriter(kafka, "tests") as writer:
        store = FolderStore(folder / "lake")
        yield Landing(kafka, own, store, folder, writer, names, ConsumerSettings.load(**(defaults | settings)))
