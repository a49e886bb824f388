"""One membership of the aggregator's group: read, make rows, store them, tell of them, until stopped or fenced."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aggregator.active import Inactive
from aggregator.assignment import Assignment
from aggregator.batch import Incoming
from aggregator.contexts import Contexts
from aggregator.gate import RunGate
from aggregator.intake import Intake
from aggregator.making import Made, RowMaker
from aggregator.publishing import NewestRows
from aggregator.remakes import PartitionOf, Remaker
from aggregator.storing import StaleContextError, Stored, Transactions
from aggregator.topics import Inputs
from shared.errors import TransientError
from shared.features.catalogue import FEATURE_SET
from shared.kafka.consumer import KafkaReader
from shared.ports import PartitionsLostError, RecordWriter, TopicPartition
from shared.runtime.service import Runtime
from shared.storage.database import Engine
from shared.storage.outbox import OutboxRelay
from shared.storage.postgres import transaction
from shared.storage.remakes import RemakeQueue
from shared.storage.stored_tickers import stored_tickers

_POLL_SECONDS: Final = 0.25
_BEAT_SECONDS: Final = 1.0
_FLUSH_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a membership is made of: see the classes."""

    engine: Engine
    reader: KafkaReader
    writer: RecordWriter
    inputs: Inputs
    assignment: Assignment
    intake: Intake
    gate: RunGate
    contexts: Contexts
    maker: RowMaker
    remaker: Remaker
    requests: RemakeQueue
    transactions: Transactions
    newest: NewestRows
    relay: OutboxRelay
    inactive: Inactive
    partition_of: PartitionOf


class Membership:
    """Runs the parts. Nothing is left open between two steps, so a rebalance has nothing to wait for.

    Args:
        parts: What it is made of.
        runtime: Clock, stop flag, heartbeat.
        counters: What has been counted so far; goes on in the next membership.
    """

    def __init__(self, parts: Parts, runtime: Runtime, counters: dict[str, int]) -> None:
        self._parts = parts
        self._runtime = runtime
        self._counters = counters
        self._generation = 0
        self._latest: dict[str, datetime] = {}
        self._uncommitted: dict[TopicPartition, int] = {}
        self._due: dict[str, float] = {}
        self._relay_due = True

    def run(self) -> None:
        """Go on until stopped.

        Raises:
            TransientError: a server does not answer; begin another membership.
            FencedError: somebody else owns a partition by now; begin another membership.
        """
        self._parts.reader.subscribe(self._parts.assignment.drop, self._parts.assignment.drop)
        while not self._runtime.stopping():
            self.step()
        self._tell_kafka()

    def step(self) -> None:
        """Read once, and do everything that follows."""
        parts = self._parts
        records = parts.reader.poll(_POLL_SECONDS if parts.remaker.idle else 0)
        if parts.assignment.generation != self._generation:
            self._begin()
        facts = parts.intake.facts(records)
        if facts.moves:
            parts.writer.flush(_FLUSH_SECONDS)  # refused run events are durable before they are passed over
            self._count(facts, parts.transactions.store_facts(facts, parts.partition_of))
        parts.gate.refresh()
        held = parts.intake.held
        bars = parts.intake.bars(records, parts.inactive.tickers())
        parts.reader.hold(parts.intake.held - held)
        parts.reader.release(held - parts.intake.held)
        if bars.moves:
            self._store(bars)
        self._after(quiet=not records, live=not any(topic == parts.inputs.history for topic, _ in bars.moves))

    def _begin(self) -> None:
        """Forget everything that another member may have changed; send the newest rows of what is ours now."""
        parts = self._parts
        self._generation = parts.assignment.generation
        for part in (parts.intake, parts.gate, parts.maker, parts.remaker, parts.newest):
            part.forget()
        self._uncommitted.clear()
        self._relay_due = True
        with transaction(parts.engine) as connection:
            self._latest = dict(stored_tickers(connection, FEATURE_SET))
        ours = set(parts.assignment.partitions(parts.inputs.history))
        parts.newest.changed(ticker for ticker in self._latest if parts.partition_of(ticker) in ours)

    def _store(self, bars: Incoming) -> None:
        """Make and store the rows of bars; again where slow facts came meanwhile."""
        parts = self._parts
        while True:
            parts.contexts.refresh()
            made = Made()
            for ticker in sorted(bars.tickers):
                parts.maker.new_bars(bars.tickers[ticker], self._latest.get(ticker), made)
            try:
                stored = parts.transactions.store_rows(bars, made, parts.contexts.digest)
                break
            except StaleContextError:
                self._counters["made_again"] += 1
        parts.maker.pass_over(bars.skipped)
        self._changed(made)
        self._count(bars, stored)

    def _remake(self) -> None:
        """Do some of the rows that have to be made again."""
        parts = self._parts
        if parts.remaker.idle and self._is_due("remakes", _BEAT_SECONDS):
            ours = parts.assignment.partitions(parts.inputs.history)
            with transaction(parts.engine) as connection:
                parts.remaker.take(parts.requests.pending(connection, ours), self._latest)
        if parts.remaker.idle:
            return
        parts.contexts.refresh()
        remade = parts.remaker.step()
        try:
            stored = parts.transactions.store_remade(remade, parts.contexts.digest)
        except StaleContextError:
            parts.remaker.forget()  # the requests are still there
            self._counters["made_again"] += 1
            return
        self._changed(remade.made)
        self._counters["remade"] += stored.revised + stored.added

    def _changed(self, made: Made) -> None:
        for ticker, newest in made.latest.items():
            if newest >= self._latest.get(ticker, newest):
                self._latest[ticker] = newest
                self._parts.newest.changed([ticker])

    def _count(self, incoming: Incoming, stored: Stored) -> None:
        self._uncommitted |= incoming.moves
        self._relay_due = self._relay_due or bool(stored.finished)
        for name, more in (
            ("bars", incoming.rows),
            ("refused", incoming.refused),
            ("facts", len(incoming.facts)),
            ("rows", stored.added),
            ("revisions", stored.revised),
            ("runs", len(stored.finished)),
        ):
            self._counters[name] += more
        for run_id in stored.finished:
            _log.info("run %s is complete", run_id)

    def _after(self, *, quiet: bool, live: bool) -> None:
        parts = self._parts
        if quiet or self._is_due("remake turn", 2.0):
            self._remake()
        parts.newest.send(hurry=quiet or live)
        if self._relay_due or self._is_due("outbox", 2.0):
            parts.relay.send_pending()
            self._relay_due = False
        if self._is_due("commit", _BEAT_SECONDS):
            self._tell_kafka()
        if self._is_due("beat", _BEAT_SECONDS):
            self._counters["poisoned"] = parts.intake.poisoned
            self._counters["features_sent"] = parts.newest.sent
            self._runtime.heartbeat.beat("running", parts.intake.reason, self._counters)

    def _tell_kafka(self) -> None:
        """Store offsets in the group, for whoever looks at its lag; PostgreSQL's are those that count."""
        ours = {tp: offset for tp, offset in self._uncommitted.items() if self._parts.assignment.owns(tp)}
        self._uncommitted.clear()
        try:
            self._parts.reader.commit(ours)
        except (PartitionsLostError, TransientError) as error:
            _log.debug("the group's offsets were not stored: %s", error)

    def _is_due(self, what: str, seconds: float) -> bool:
        now = self._runtime.clock.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + seconds
        return True
