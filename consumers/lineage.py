"""Which Kafka records an object was made of: for people who trace a number back. It never decides anything."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from shared.ports import Position, TopicPartition

KEY: Final = "tickerstream.lineage"
"""Where it stands in a Parquet file's key-value metadata: `{"h_alpaca": {"3": [17, 42]}}`, offsets inclusive."""

MAX_SPANS: Final = 256


class Lineage:
    """The least and the greatest offset of the contributing records, by topic and partition; of 256 partitions at most.

    Args:
        spans: (least, greatest) offset of each.
    """

    def __init__(self, spans: Mapping[TopicPartition, tuple[int, int]] | None = None) -> None:
        self._spans = dict(spans or {})

    def add(self, position: Position) -> None:
        """Count a record in."""
        self._widen((position.topic, position.partition), position.offset, position.offset)

    def joined(self, other: "Lineage") -> "Lineage":
        """Return the lineage of both."""
        both = Lineage(self._spans)
        for slot, (least, greatest) in other:
            both._widen(slot, least, greatest)
        return both

    def to_json(self) -> str:
        """Return it as canonical JSON."""
        topics: dict[str, dict[str, list[int]]] = {}
        for (topic, partition), span in sorted(self._spans.items())[:MAX_SPANS]:
            topics.setdefault(topic, {})[str(partition)] = list(span)
        return json.dumps(topics, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Lineage":
        """Return what `to_json` wrote; nothing where it is something else, for no row depends on it."""
        try:
            return cls(
                {
                    (str(topic), int(partition)): (int(least), int(greatest))
                    for topic, spans in json.loads(text).items()
                    for partition, (least, greatest) in spans.items()
                }
            )
        except (ValueError, TypeError, AttributeError):
            return cls()

    def __iter__(self) -> Iterator[tuple[TopicPartition, tuple[int, int]]]:
        return iter(sorted(self._spans.items()))

    def _widen(self, slot: TopicPartition, least: int, greatest: int) -> None:
        known = self._spans.get(slot, (least, greatest))
        self._spans[slot] = (min(known[0], least), max(known[1], greatest))
