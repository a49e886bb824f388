"""What Kafka told last of the topics that a member reads: how many partitions they have, and their ids."""

from collections.abc import Iterable

from shared.kafka.admin import KafkaAdmin


class KnownTopics:
    """Partitions and ids of topics.

    Args:
        admin: Who asks.
    """

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._partitions: dict[str, int] = {}
        self.ids: dict[str, str] = {}
        """Id of each topic as of the last time that partitions of it were taken over."""

    def partitions(self, topic: str, *, fresh: bool = False) -> int:
        """Return how many partitions the topic has; `fresh` asks again."""
        if fresh or topic not in self._partitions:
            self._partitions[topic] = self._admin.partitions(topic)
        return self._partitions[topic]

    def learn(self, topics: Iterable[str]) -> None:
        """Ask again for partitions and ids."""
        for topic in topics:
            self.partitions(topic, fresh=True)
            self.ids[topic] = self._admin.topic_id(topic)

    def id_now(self, topic: str) -> str:
        """Return the topic's id as of now; what is known stays."""
        return self._admin.topic_id(topic)
