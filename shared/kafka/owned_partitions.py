"""The partitions that a member of a group owns, and what happens when a rebalance gives or takes some."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import TopicPartition as Slot

from shared.kafka.assignment import Start, StoredOffsets, starts, starts_elsewhere
from shared.kafka.config import LIBRDKAFKA
from shared.kafka.fetching import Fetching
from shared.kafka.known_topics import KnownTopics
from shared.ports import TopicPartition

Callback = Callable[[frozenset[TopicPartition]], None]


class OwnedPartitions:
    """Where each partition that is ours stands.

    librdkafka rebalances from inside `poll` and `close`, where an error would be lost: it is kept until `raise_failed`.

    Args:
        group: The consumer group.
        by_range: Whether assignments come whole, not as changes.
        topics: What is known of the topics; it is asked again for those that are taken over.
        fetching: Told which partitions come and go.
        stored: Who knows where to read on, if that is not the group.
    """

    def __init__(
        self, group: str, *, by_range: bool, topics: KnownTopics, fetching: Fetching, stored: StoredOffsets | None
    ) -> None:
        self._group = group
        self._by_range = by_range
        self._topics = topics
        self._fetching = fetching
        self._stored = stored
        self.positions: dict[TopicPartition, int] = {}
        """The offset after the last record returned."""
        self.starts: dict[TopicPartition, Start] = {}
        """Where to begin again: at the last committed offset."""
        self.in_callback = False
        self._on_revoked: Callback = _ignore
        self._on_lost: Callback = _ignore
        self._on_gone: Callback = _ignore
        self._failure: BaseException | None = None  # of a callback: whoever loses partitions must hear of it
        self._not_begun: Exception | None = None  # of taking partitions over: of no interest to whoever leaves

    def tell(self, on_revoked: Callback, on_lost: Callback, on_gone: Callback) -> None:
        """Call these from now on: `on_gone` for all that go, before one of the others."""
        self._on_revoked, self._on_lost, self._on_gone = on_revoked, on_lost, on_gone

    def assigned(self, consumer: Any, slots: list[Slot]) -> None:
        """Begin to read partitions."""
        try:
            self._topics.learn({slot.topic for slot in slots})
            found = self._found_starts(consumer, slots)
        except Exception as error:  # raised again by `raise_failed`
            self._not_begun = self._not_begun or error
            found = {}
        begun = [Slot(topic, partition, start.offset) for (topic, partition), start in found.items()]
        if self._by_range:
            consumer.assign(begun)
        else:
            consumer.incremental_assign(begun)
        self.starts |= found
        self.positions |= {tp: start.position for tp, start in found.items()}
        self._fetching.begin(found.keys())

    def revoked(self, consumer: Any, slots: list[Slot]) -> None:
        """Let partitions go that are ours until this ends."""
        self._let_go(consumer, slots, self._on_revoked)

    def lost(self, consumer: Any, slots: list[Slot]) -> None:
        """Let partitions go that may already belong to others."""
        LIBRDKAFKA.warning("%s: lost %d partitions, for its session is over", self._group, len(slots))
        self._let_go(consumer, slots, self._on_lost)

    def raise_failed(self, *, leaving: bool = False) -> None:
        """Raise what went wrong in a rebalance; what could not be begun, not to who is `leaving`."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._not_begun is not None and not leaving:
            not_begun, self._not_begun = self._not_begun, None
            raise not_begun

    def _found_starts(self, consumer: Any, slots: list[Slot]) -> dict[TopicPartition, Start]:
        if self._stored is not None:
            return starts_elsewhere(consumer, slots, self._topics.ids, self._stored)
        return starts(consumer, slots, self._topics.ids)

    def _let_go(self, consumer: Any, slots: list[Slot], callback: Callback) -> None:
        gone = frozenset((slot.topic, slot.partition) for slot in slots)
        self._on_gone(gone)
        try:
            if self._failure is None and gone:
                self.in_callback = True
                callback(gone)
        except BaseException as error:  # raised again by `raise_failed`
            self._failure = error
        finally:
            self.in_callback = False
        for tp in gone:
            self.positions.pop(tp, None)
            self.starts.pop(tp, None)
        self._fetching.forget(gone)
        if self._by_range:
            consumer.unassign()
        else:
            consumer.incremental_unassign(slots)


def _ignore(partitions: frozenset[TopicPartition]) -> None:
    """Do nothing when partitions go."""
