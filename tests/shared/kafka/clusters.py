"""The two brokers that the conformance suite runs on, behind one face."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Protocol
from uuid import uuid4

from confluent_kafka import TopicPartition as Slot
from confluent_kafka.admin import AdminClient

from shared.clock import SystemClock
from shared.contracts.topics import TopicContract
from shared.kafka.admin import KafkaAdmin
from shared.kafka.consumer import KafkaReader, ReaderOptions
from shared.kafka.producer import KafkaWriter
from shared.ports import RecordReader, RecordWriter, TopicPartition
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually
from shared.testing.memory_kafka import MemoryBroker, MemoryReader, MemoryWriter


def fresh_name(prefix: str = "t") -> str:
    """A topic or group that no other test uses."""
    return f"{prefix}-{uuid4().hex[:10]}"


def contract(name: str, partitions: int = 3, max_message_bytes: int = 1024 * 1024) -> TopicContract:
    """A topic of the tests' own."""
    return TopicContract(
        name,
        key="any",
        value="any",
        schema="bars/1.0",
        made_by="tests",
        read_by="tests",
        sharded=False,
        partitions=partitions,
        max_message_bytes=max_message_bytes,
    )


class Cluster(Protocol):
    """What the suite does to a broker."""

    def make_topic(self, name: str, partitions: int) -> None: ...
    def delete_topic(self, name: str) -> None: ...
    def trim(self, topic: str, partition: int, before: int) -> None: ...
    def writer(self) -> RecordWriter: ...
    def reader(self, group: str, topics: Sequence[str]) -> RecordReader: ...
    def hasty_reader(self, group: str, topics: Sequence[str]) -> RecordReader: ...
    def expire(self, reader: RecordReader) -> None: ...
    def committed(self, group: str, topic: str) -> dict[TopicPartition, int]: ...


class RealCluster:
    """A broker that runs."""

    def __init__(self, bootstrap: str) -> None:
        self.settings = KafkaSettings(kafka_bootstrap_servers=bootstrap)
        self.admin = KafkaAdmin(self.settings)
        self._client = AdminClient({"bootstrap.servers": bootstrap})
        self._stack = ExitStack()

    def make_topic(self, name: str, partitions: int) -> None:
        self.admin.provision([contract(name, partitions)])

    def delete_topic(self, name: str) -> None:
        self.admin.delete_topics([name])
        eventually(lambda: name not in self.admin.topics())

    def trim(self, topic: str, partition: int, before: int) -> None:
        for future in self._client.delete_records([Slot(topic, partition, before)]).values():
            future.result(20)

    def writer(self) -> RecordWriter:
        writer = KafkaWriter(self.settings, "tests")
        self._stack.callback(writer.close)
        return writer

    def reader(self, group: str, topics: Sequence[str]) -> RecordReader:
        reader = KafkaReader(self.settings, group, topics, "tests", ReaderOptions(watch_seconds=0.5))
        self._stack.callback(reader.close)
        return reader

    def hasty_reader(self, group: str, topics: Sequence[str]) -> RecordReader:
        """A member that is thrown out when it does not poll for as long as the broker allows it to be short."""
        settings = self.settings.model_copy(update={"kafka_session_seconds": 6.0})
        reader = KafkaReader(settings, group, topics, "tests", ReaderOptions(poll_seconds=6))
        self._stack.callback(reader.close)
        return reader

    def expire(self, reader: RecordReader) -> None:
        """Nothing to do: the suite waits until the other member has what this one forgot to poll for."""

    def committed(self, group: str, topic: str) -> dict[TopicPartition, int]:
        return self.admin.committed(group, [topic])

    def close(self) -> None:
        self._stack.close()


class MemoryCluster:
    """The broker in memory."""

    def __init__(self) -> None:
        self.broker = MemoryBroker({}, SystemClock())

    def make_topic(self, name: str, partitions: int) -> None:
        self.broker.make_topic(name, partitions)

    def delete_topic(self, name: str) -> None:
        del self.broker.topics[name]

    def trim(self, topic: str, partition: int, before: int) -> None:
        self.broker.trim(topic, partition, before)

    def writer(self) -> RecordWriter:
        return MemoryWriter(self.broker)

    def reader(self, group: str, topics: Sequence[str]) -> RecordReader:
        return MemoryReader(self.broker, group, topics)

    hasty_reader = reader

    def expire(self, reader: RecordReader) -> None:
        assert isinstance(reader, MemoryReader)
        reader.expire()

    def committed(self, group: str, topic: str) -> dict[TopicPartition, int]:
        return {tp: offset for tp, offset in self.broker.committed(group).items() if tp[0] == topic}

    def close(self) -> None:
        """Nothing is held."""
