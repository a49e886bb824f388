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
        """Take in partitions that were just assigned: the client fetches them until the next `fit`.

        They are not paused here: a pause that overtakes the assignment makes librdkafka forget where to begin (its
        issue 2190).
        """
        self._unfetched -= set(partitions)

    def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that go; call it while they are still assigned.

        librdkafka keeps a partition paused that goes while it is, also when it comes back.
        """
        gone = set(partitions)
        if kept := self._unfetched & gone:
            self._consumer.resume([Slot(topic, partition) for topic, partition in kept])
        self._held -= gone
        self._unfetched -= gone
