"""The producer's side of the `runs` topic: what is known of a run, its declaration, its confirmation."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from producers.source import Source
from producers.tally import PartitionTally, Tally, TopicTally
from shared.clock import Clock
from shared.contracts.runs import RunDeclared, TopicConfirmed, decode_run_event, run_id_of
from shared.contracts.topics import RUNS
from shared.errors import PoisonMessageError
from shared.ports import Outgoing, Record


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run before it begins.

    Attributes:
        run_id: Hash of source and identity, or what the caller chose.
        run_set: A newer run of the same set releases an older one.
        topics: Names of the topics that take part.
        source: What `source` says in every message.
        simulated: Whether the data are made up.
        settings: What the run id is the hash of.
    """

    run_id: str
    run_set: str
    topics: tuple[str, ...]
    source: str
    simulated: bool
    settings: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """Return a digest of the settings."""
        canonical = json.dumps(self.settings, sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()


def plan_run(sources: Mapping[str, Source], topics: Iterable[str], run_id: str | None = None) -> RunPlan:
    """Return the run of one or more producers that read sources of one name.

    Args:
        sources: The source of each producer that takes part (stock, macro, company).
        topics: Names of all topics that take part.
        run_id: What a caller chose; else the hash of the sources' identities.
    """
    first = next(iter(sources.values()))
    settings = {producer: dict(source.identity) for producer, source in sorted(sources.items())}
    return RunPlan(
        run_id or run_id_of(first.name, settings),
        "; ".join(source.run_set for _, source in sorted(sources.items())),
        tuple(topics),
        first.name,
        first.simulated,
        settings,
    )


@dataclass(frozen=True, slots=True)
class RunHistory:
    """What the `runs` topic tells of one run: the last attempt (0: none), the newest confirmations by topic."""

    attempt: int
    confirmed: Mapping[str, TopicConfirmed]

    def tally(self, topics: Iterable[str]) -> Tally:
        """Return the confirmed counts."""
        tally = Tally()
        for name in topics:
            event = self.confirmed[name]
            topic = TopicTally(duplicates=event.duplicates, rejected=event.rejected)
            for count in event.partitions:
                topic.partitions[count.partition] = PartitionTally(count.next_offset, count.records, count.rows)
            topic.read = topic.published + topic.duplicates + topic.rejected
            tally.topics[name] = topic
        return tally


def history_of(run_id: str, records: Iterable[Record]) -> RunHistory:
    """Return what the records of the `runs` topic tell of a run; what cannot be read is somebody else's to refuse."""
    attempt, topics = 0, {}
    for record in records:
        if record.key != run_id.encode():
            continue
        try:
            event = decode_run_event(record.value)
        except PoisonMessageError:
            continue
        if isinstance(event, RunDeclared):
            attempt = max(attempt, event.attempt)
        elif isinstance(event, TopicConfirmed):
            topics[event.topic] = event
    return RunHistory(attempt, topics)


def declared(plan: RunPlan, attempt: int, clock: Clock) -> Outgoing:
    """Return the record that says that an attempt of the run begins."""
    event = RunDeclared(
        run_id=plan.run_id,
        run_set=plan.run_set,
        topics=plan.topics,
        source=plan.source,
        simulated=plan.simulated,
        attempt=attempt,
        settings=dict(plan.settings),
        at=clock.now(),
    )
    return _record(plan.run_id, event)


def confirmed(plan: RunPlan, topic: str, attempt: int, tally: TopicTally, clock: Clock) -> Outgoing:
    """Return the record that says that every delivery of the run to `topic` is confirmed."""
    event = TopicConfirmed(
        run_id=plan.run_id,
        topic=topic,
        attempt=attempt,
        partitions=tally.partition_counts(),
        rejected=tally.rejected,
        duplicates=tally.duplicates,
        at=clock.now(),
    )
    return _record(plan.run_id, event)


def _record(run_id: str, event: RunDeclared | TopicConfirmed) -> Outgoing:
    return Outgoing(RUNS.name, run_id.encode(), event.encode(), {"schema": RUNS.schema.encode()})
