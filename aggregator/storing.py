"""One transaction: rows, offsets, lineage, remake requests, runs and outbox, or nothing of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from aggregator.assignment import Assignment
from aggregator.batch import Incoming
from aggregator.making import Made
from aggregator.remakes import PartitionOf, Remade, requests_of
from aggregator.runs import Runs
from shared.clock import Clock
from shared.failpoints import failpoint
from shared.features.catalogue import FEATURE_SET
from shared.metrics.aggregating import TRANSACTION_SECONDS
from shared.ports import TopicPartition
from shared.storage.context_lock import hold_context, share_context
from shared.storage.context_store import ContextStore
from shared.storage.database import Connection, Engine
from shared.storage.feature_store import Batch, BatchKind, FeatureStore
from shared.storage.postgres import transaction
from shared.storage.remakes import RemakeQueue
from shared.storage.stored_tickers import stored_tickers

NAME = "aggregator"


class StaleContextError(Exception):
    """Slow facts were stored after rows were made without them: make the rows again."""


@dataclass(frozen=True, slots=True)
class Stores:
    """The tables that a transaction writes."""

    features: FeatureStore
    context: ContextStore
    remakes: RemakeQueue
    runs: Runs


@dataclass(frozen=True, slots=True)
class Stored:
    """What a transaction did: rows added and revised, runs that it finished."""

    added: int
    revised: int
    finished: tuple[str, ...]


class Transactions:
    """Writes.

    Args:
        engine: PostgreSQL.
        stores: Its tables.
        assignment: Our claims: one that somebody else has by now fences the whole transaction.
        clock: For `made_at`.
    """

    def __init__(self, engine: Engine, stores: Stores, assignment: Assignment, clock: Clock) -> None:
        self._engine = engine
        self._stores = stores
        self._assignment = assignment
        self._clock = clock

    def store_facts(self, incoming: Incoming, partition_of: PartitionOf) -> Stored:
        """Store slow facts and run events with their offsets, and ask for the rows that the facts came too late for.

        Args:
            incoming: The records.
            partition_of: Tells where a ticker's rows are made.

        Raises:
            FencedError: a partition is somebody else's by now; nothing was stored.
            TransientError: PostgreSQL does not answer; it is not known whether it was stored.
        """
        with TRANSACTION_SECONDS.labels("facts").time(), transaction(self._engine) as connection:
            claims = self._assignment.advance(connection, incoming.moves)
            if incoming.facts:
                hold_context(connection)
                fresh = self._stores.context.add(connection, incoming.facts)
                newest = stored_tickers(connection, FEATURE_SET) if fresh else {}
                self._stores.remakes.add(connection, requests_of(fresh, newest, partition_of))
            for event in incoming.events:
                self._stores.runs.apply(connection, event)
            finished = self._finish(connection, incoming)
            failpoint(f"{NAME}.before_commit_facts")
        self._assignment.settle(claims)
        return Stored(0, 0, finished)

    def store_rows(self, incoming: Incoming, made: Made, context: str) -> Stored:
        """Store the rows of new bars with the offsets that they cover.

        Args:
            incoming: The records.
            made: Their rows.
            context: Digest of the slow facts that they were made with.

        Raises:
            StaleContextError: other slow facts are stored by now; nothing was stored, make the rows again.
            FencedError: a partition is somebody else's by now; nothing was stored.
            TransientError: PostgreSQL does not answer; it is not known whether it was stored.
        """
        failpoint(f"{NAME}.before_copy")
        with TRANSACTION_SECONDS.labels("rows").time(), transaction(self._engine) as connection:
            claims = self._assignment.advance(connection, incoming.moves)
            self._check(connection, context, made)
            added, revised = self._append(connection, made, incoming.moves, "stream")
            if made.remakes:
                self._stores.remakes.add(connection, made.remakes)
            for run_id, tickers in sorted(incoming.runs.items()):
                self._stores.runs.note_tickers(connection, run_id, tickers)
            finished = self._finish(connection, incoming)
            failpoint(f"{NAME}.before_commit")
        failpoint(f"{NAME}.after_commit")
        self._assignment.settle(claims)
        return Stored(added, revised, finished)

    def store_remade(self, remade: Remade, context: str) -> Stored:
        """Store rows that were made again, and mark requests as done.

        Args:
            remade: The rows.
            context: Digest of the slow facts that they were made with.

        Raises:
            StaleContextError: other slow facts are stored by now; nothing was stored, make the rows again.
            FencedError: a partition is somebody else's by now; nothing was stored.
            TransientError: PostgreSQL does not answer; it is not known whether it was stored.
        """
        moves = {slot: self._assignment.claim(slot).next_offset for slot in remade.slots}
        with TRANSACTION_SECONDS.labels("remade").time(), transaction(self._engine) as connection:
            self._assignment.advance(connection, moves)
            self._check(connection, context, remade.made)
            added, revised = self._append(connection, remade.made, moves, "remake")
            self._stores.remakes.done(connection, remade.requests)
            failpoint(f"{NAME}.before_commit_remade")
        return Stored(added, revised, ())

    def _check(self, connection: Connection, context: str, made: Made) -> None:
        if made.levels:
            share_context(connection)
            if self._stores.context.digest(connection) != context:
                raise StaleContextError

    def _finish(self, connection: Connection, incoming: Incoming) -> tuple[str, ...]:
        topics = {topic for topic, _ in incoming.moves} | {e.topic for e in incoming.events if e.event == "confirmed"}
        return tuple(self._stores.runs.finish(connection, topics))

    def _append(
        self, connection: Connection, made: Made, moves: Mapping[TopicPartition, int], kind: BatchKind
    ) -> tuple[int, int]:
        added = revised = 0
        # After `_check`: slow facts cannot be stored until we end, so these offsets are exactly those of its digest.
        applied = self._assignment.applied(connection) if made.levels else {}
        for slot, levels in sorted(made.levels.items()):
            if not levels:
                continue
            claim = self._assignment.claim(slot)
            batch = Batch(
                claim.source,
                claim.next_offset,
                moves[slot],
                claim.epoch,
                self._clock.now(),
                kind,
                _others(applied, slot),
            )
            opened = self._stores.features.open_batch(connection, batch)
            for frames in levels:
                done = self._stores.features.append(connection, pl.concat(frames), opened)
                added, revised = added + done.added, revised + done.revised
        return added, revised


def _others(applied: Mapping[TopicPartition, int], slot: TopicPartition) -> dict[str, dict[int, int]]:
    """Return the next offsets of all partitions but the batch's own: topic -> partition -> offset."""
    found: dict[str, dict[int, int]] = {}
    for (topic, partition), offset in sorted(applied.items()):
        if (topic, partition) != slot:
            found.setdefault(topic, {})[partition] = offset
    return found
