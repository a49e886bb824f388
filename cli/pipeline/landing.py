"""How far the lake's consumers are with a run: what they have acknowledged lies in the lake, durable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.contracts.runs import TopicConfirmed, decode_run_event
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, FILINGS, RUNS
from shared.errors import PoisonMessageError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.scan import read_topic
from shared.settings import KafkaSettings

MACRO_GROUP: Final = "lake-macro"
PATIENCE_SECONDS: Final = 2.0
_GROUPS: Final[Mapping[str, str]] = {
    BARS_HISTORY.name: "lake-stock",
    BARS_LIVE.name: "lake-stock",
    CORPORATE_ACTIONS.name: "lake-actions",
    FILINGS.name: "lake-company",
}


def group_of(topic: str) -> str:
    """Return the consumer group that brings a topic to the lake; what is not named is the macro topic."""
    return _GROUPS.get(topic, MACRO_GROUP)


@dataclass(frozen=True, slots=True)
class Landed:
    """How many records of some topics are in the lake, of how many."""

    records: int
    total: int

    @property
    def complete(self) -> bool:
        """Return whether all are."""
        return self.records >= self.total


class Landing:
    """Watches the lake's consumers for the topics of a run. Where Kafka does not answer it soon says so.

    Args:
        kafka: Where Kafka is.
        topics: The topics that take part.
    """

    def __init__(self, kafka: KafkaSettings, topics: tuple[str, ...]) -> None:
        self._kafka = kafka
        self._topics = topics
        self._admin = KafkaAdmin(kafka, "tickerstream-landing", patience=PATIENCE_SECONDS, answer=PATIENCE_SECONDS)
        self._before = self._admin_ends()
        self._until: dict[tuple[str, int], int] | None = None

    def _admin_ends(self) -> dict[tuple[str, int], int]:
        return {(t, p): end for t in self._topics for p, end in self._admin.end_offsets(t).items()}

    def expect(self, run_id: str) -> None:
        """Read from the `runs` topic how far the consumers have to come for this run."""
        newest: dict[str, TopicConfirmed] = {}
        for record in read_topic(self._kafka, RUNS.name):
            try:
                event = decode_run_event(record.value)
            except PoisonMessageError:
                continue
            if isinstance(event, TopicConfirmed) and event.run_id == run_id:
                newest[event.topic] = event
        self._until = {
            (topic, part.partition): part.next_offset for topic, event in newest.items() for part in event.partitions
        }

    def look(self, topic: str | None = None) -> Landed:
        """Return how far the consumers are with what was sent since this object was made, or with the run.

        Args:
            topic: Only this one; None = all.
        """
        wanted = {topic} if topic else set(self._topics)
        until = self._admin_ends() if self._until is None else self._until
        committed: dict[tuple[str, int], int] = {}
        for group in {group_of(t) for t in wanted}:
            committed |= self._admin.committed(group, [t for t in wanted if group_of(t) == group])
        done = total = 0
        for slot, end in until.items():
            if slot[0] in wanted:
                before = min(self._before.get(slot, 0), end)
                total += end - before
                done += max(0, min(committed.get(slot, 0), end) - before)
        waiting = any(committed.get(slot, 0) < end for slot, end in until.items() if slot[0] in wanted and end)
        return Landed(done, total + 1 if waiting and done == total else total)
