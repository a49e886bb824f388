"""How far a reader is behind the end of its partitions: asked of Kafka now and then, also while it is paused."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException

from shared.kafka.admin import KafkaAdmin
from shared.kafka.asking import Asking
from shared.metrics.consuming import LAG
from shared.ports import TopicPartition


class LagWatch:
    """Asks for the ends of partitions without waiting for the answer, and tells Prometheus.

    Args:
        admin: Who asks.
        seconds: How often.
    """

    def __init__(self, admin: KafkaAdmin, seconds: float) -> None:
        self._admin = admin
        self._asking: Asking[TopicPartition] = Asking(seconds, at_once=True)
        self._told: set[TopicPartition] = set()

    def check(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell how far `positions`, the next offset of each assigned partition, are behind; forget other partitions."""
        if self._told - positions.keys():
            self.forget(self._told - positions.keys())
        for slot, answer in self._asking.answered():
            self._tell(slot, answer, positions)
        if positions:
            self._asking.ask_if_due(lambda: self._admin.ask_ends(positions))

    def forget(self, partitions: Iterable[TopicPartition] | None = None) -> None:
        """Tell no more of these partitions, or of any."""
        for topic, partition in list(self._told if partitions is None else partitions):
            LAG.remove(topic, str(partition))
            self._told.discard((topic, partition))

    def _tell(self, slot: TopicPartition, answer: Future[Any], positions: Mapping[TopicPartition, int]) -> None:
        if slot not in positions:
            return
        try:
            end = int(answer.result().offset)
        except KafkaException:
            return  # no answer is no news
        LAG.labels(slot[0], str(slot[1])).set(max(0, end - positions[slot]))
        self._told.add(slot)
