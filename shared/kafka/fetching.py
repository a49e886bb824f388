"""What a member fetches: nothing while it is paused, nothing of partitions that are held."""

from collections.abc import Collection
from typing import Any

from confluent_kafka import TopicPartition as Slot

from shared.ports import TopicPartition


class Fetching:
    """Has the client fetch, or not.

    Args:
        consumer: The client.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._held: set[TopicPartition] = set()
        self._unfetched: set[TopicPartition] = set()  # what the client was told to pause
        self.paused = False
        """Whether nothing at all is wanted now."""

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch nothing of these partitions from the next `fit` on."""
        self._held |= set(partitions)

    def release(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch these partitions again from the next `fit` on."""
        self._held -= set(partitions)

    def fit(self, owned: Collection[TopicPartition]) -> None:
        """Tell the client what changed; call it where the client may be called."""
        there = set(owned)
        wanted = there if self.paused else self._held & there
        for change, partitions in (
            (self._consumer.pause, wanted - self._unfetched),
            (self._consumer.resume, (self._unfetched - wanted) & there),
        ):
            if partitions:
                change([Slot(topic, partition) for topic, partition in partitions])
        self._unfetched = wanted

    def begin(self, partitions: Collection[TopicPartition]) -> None:
        """Take in partitions that were just assigned: the client fetches them, unless all is paused."""
        self._unfetched -= set(partitions)
        if self.paused:
            self._consumer.pause([Slot(topic, partition) for topic, partition in partitions])
            self._unfetched |= set(partitions)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that are gone."""
        self._held -= set(partitions)
        self._unfetched -= set(partitions)
