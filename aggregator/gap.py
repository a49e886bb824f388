"""Bars that are in Kafka but not yet in the lake: between the lake group's committed offset and our own position."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from aggregator.decoding import decode_bar_record
from shared.contracts.weeks import IsoWeek
from shared.errors import PoisonMessageError
from shared.kafka.admin import KafkaAdmin
from shared.kafka.scan import read_topic
from shared.ports import Record, TopicPartition
from shared.settings import KafkaSettings

MOST_KEPT_BYTES: Final = 8 * 1024 * 1024
Frames = dict[IsoWeek, list[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class _Kept:
    """The records before `until` that the lake may lack, by key; None where they are too many to be kept."""

    until: Mapping[TopicPartition, int]
    by_key: Mapping[bytes, list[Record]] | None


class LakeGap:
    """Reads what the lake lacks.

    Args:
        kafka: Where Kafka is.
        admin: Tells what the lake's group has committed.
        lake_group: That group.
        accepts: Whether a record is one that the lake takes.
    """

    def __init__(
        self, kafka: KafkaSettings, admin: KafkaAdmin, lake_group: str, accepts: Callable[[Record], bool]
    ) -> None:
        self._kafka = kafka
        self._admin = admin
        self._lake_group = lake_group
        self._accepts = accepts
        self._kept: dict[frozenset[TopicPartition], _Kept] = {}

    def landed(self, topics: tuple[str, ...]) -> dict[TopicPartition, int]:
        """Return what the lake holds for sure, as next offsets. Ask before the lake is read."""
        return self._admin.committed(self._lake_group, topics)

    def read(self, ticker: str, until: Mapping[TopicPartition, int], landed: Mapping[TopicPartition, int]) -> Frames:
        """Return the bars of a ticker in the records from `landed` to before `until`, by week."""
        missing = {tp: (landed.get(tp, 0), end) for tp, end in until.items() if landed.get(tp, 0) < end}
        if not missing:
            return {}
        key, slots = ticker.encode(), frozenset(until)
        kept = self._kept.get(slots)
        if kept is None or kept.until != until:
            kept = self._kept[slots] = self._keep(missing, until)
        if kept.by_key is not None:
            return self._decoded(kept.by_key.get(key, []))
        return self._decoded([record for record in self._scan(missing) if record.key == key])

    def forget(self) -> None:
        """Forget the records that are kept."""
        self._kept.clear()

    def _keep(self, missing: Mapping[TopicPartition, tuple[int, int]], until: Mapping[TopicPartition, int]) -> _Kept:
        found: dict[bytes, list[Record]] = {}
        size = 0
        for record in self._scan(missing):
            found.setdefault(record.key or b"", []).append(record)
            size += len(record.value or b"")
            if size > MOST_KEPT_BYTES:
                return _Kept(until, None)
        return _Kept(until, found)

    def _scan(self, missing: Mapping[TopicPartition, tuple[int, int]]) -> Iterator[Record]:
        for (topic, partition), (first, end) in sorted(missing.items()):
            yield from read_topic(self._kafka, topic, partition, first, end)

    def _decoded(self, records: list[Record]) -> Frames:
        found: Frames = {}
        for record in records:
            if not self._accepts(record):
                continue
            try:
                decoded = decode_bar_record(record)
            except PoisonMessageError:
                continue  # refused when it was read as a record
            for week, bars in decoded.weeks.items():
                found.setdefault(week, []).append(bars)
        return found
