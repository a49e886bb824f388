"""What a group has committed, asked by a client that names the group and never joins it.

Not by the Admin API: once the broker that coordinates a group has died, librdkafka's admin client may get no answer to
that question any more, or end the process (confluentinc/librdkafka, issues 3847 and 5511, pull request 5397).
"""

from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Slot

from shared.kafka.config import client_config
from shared.ports import TopicPartition
from shared.settings import KafkaSettings


class GroupOffsets:
    """Asks for the offsets of groups, with one client a group.

    Args:
        settings: Where Kafka is.
        client_id: Name of these clients in the broker's log.
        on_event: Told of client-wide events.
        answer: Seconds that one answer is waited for.
    """

    def __init__(
        self, settings: KafkaSettings, client_id: str, on_event: Callable[[KafkaError], None], answer: float
    ) -> None:
        self._config = client_config(settings, client_id) | {"error_cb": on_event, "enable.auto.commit": False}
        self._answer = answer
        self._clients: dict[str, Any] = {}

    def committed(self, group: str, slots: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the next offset that the group has stored, for those of `slots` where it has one.

        Raises:
            KafkaException: the broker does not answer, or refuses.
        """
        if not slots:
            return {}
        if group not in self._clients:
            self._clients[group] = Consumer(self._config | {"group.id": group})
        client = self._clients[group]
        client.poll(0)  # serves events; a client that has joined nothing gets no records
        found = client.committed([Slot(topic, partition) for topic, partition in slots], timeout=self._answer)
        for slot in found:
            if slot.error is not None:
                raise KafkaException(slot.error)
        return {(slot.topic, slot.partition): slot.offset for slot in found if slot.offset >= 0}
