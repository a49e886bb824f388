"""Notices that a topic was deleted and made anew under a running reader, which its client may not."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException

from shared.kafka.admin import KafkaAdmin
from shared.kafka.asking import Asking
from shared.kafka.assignment import made_anew
from shared.ports import TopicPartition


class TopicWatch:
    """Asks for the topics' ids now and then, without waiting for the answer.

    Args:
        admin: Who asks.
        seconds: How often.
    """

    def __init__(self, admin: KafkaAdmin, seconds: float) -> None:
        self._admin = admin
        self._asking: Asking[str] = Asking(seconds, at_once=False)

    def check(self, expected: Mapping[str, str], positions: Mapping[TopicPartition, int]) -> None:
        """Compare the newest answer with what was `expected`; an answer that does not come is no news.

        Args:
            expected: Id of each topic as of its assignment.
            positions: Next offset of each assigned partition.

        Raises:
            ContractError: a topic has another id: `positions` mean nothing in it.
        """
        for topic, answer in self._asking.answered():
            self._compare(topic, answer, expected, positions)
        self._asking.ask_if_due(lambda: self._admin.ask_topics({topic for topic, _ in positions}))

    def _compare(
        self, topic: str, answer: Future[Any], expected: Mapping[str, str], positions: Mapping[TopicPartition, int]
    ) -> None:
        try:
            now = str(answer.result().topic_id)
        except KafkaException:
            return
        for (name, partition), offset in positions.items():
            if name == topic and expected.get(topic, now) != now:
                raise made_anew(topic, partition, offset, expected[topic], now)
