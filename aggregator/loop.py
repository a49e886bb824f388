"""One membership of the aggregator's group: read, make rows, store them, tell of them, until stopped or fenced."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
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
from shared.metrics.aggregating import BEHIND, NEWEST_BAR, REMAKE_REQUESTS
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


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """Rows that are being stored."""

    bars: Incoming
    made: Made
    storing: "Future[Stored]"


class Membership:
    """Runs the parts. While rows of history are stored, those of the next records are made.

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
        self._under_way: _UnderWay | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    def run(self) -> None:
        """Go on until stopped.

        Raises:
            TransientError: a server does not answer; begin another membership.
            FencedError: somebody else owns a partition by now; begin another membership.
        """
        try:
            with self._thread:
                self._parts.reader.subscribe(self._let_go, self._let_go)
                while not self._runtime.stopping():
                    self.step()
                self._settle()
                self._tell_kafka()
        finally:
            self._under_way = None  # it has ended, one way or the other; the next membership sees which

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
        history = any(topic == parts.inputs.history for topic, _ in bars.moves)
        if bars.moves:
            self._store(bars)
        if not history:
            self._settle()
        self._after(quiet=not records, live=not history)

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

    def _let_go(self, partitions: frozenset[TopicPartition]) -> None:
        """Store what is under way, for the last time, and forget partitions."""
        self._settle()
        self._parts.assignment.drop(partitions)

    def _store(self, bars: Incoming) -> None:
        """Make the rows of bars, and begin to store them once those before are stored."""
        made = self._make(bars)
        if self._settle():  # made of slow facts that have changed since
            made = self._make(bars)
        self._begin_storing(bars, made)

    def _make(self, bars: Incoming) -> Made:
        parts, made = self._parts, Made()
        parts.contexts.refresh()
        for ticker in sorted(bars.tickers):
            parts.maker.new_bars(bars.tickers[ticker], self._latest.get(ticker), made)
        return made

    def _begin_storing(self, bars: Incoming, made: Made) -> None:
        parts = self._parts
        parts.maker.pass_over(bars.skipped)
        parts.assignment.note_known(bars.moves)
        self._note_latest(made)
        storing = self._thread.submit(parts.transactions.store_rows, bars, made, parts.contexts.digest)
        self._under_way = _UnderWay(bars, made, storing)

    def _settle(self) -> bool:
        """Wait until what is under way is stored; return whether it had to be made again with newer slow facts.

        Raises:
            FencedError: a partition is somebody else's by now.
            TransientError: PostgreSQL does not answer.
        """
        stale = False
        while (one := self._under_way) is not None:
            self._under_way = None
            try:
                stored = one.storing.result()
            except StaleContextError:
                stale = True
                self._counters["made_again"] += 1
                self._begin_storing(one.bars, self._make(one.bars))
            else:
                self._parts.newest.changed(self._newest_of(one.made))
                self._count(one.bars, stored)
        return stale

    def _remake(self) -> None:
        """Do some of the rows that have to be made again."""
        parts = self._parts
        if parts.remaker.idle and self._is_due("remakes", _BEAT_SECONDS):
            ours = parts.assignment.partitions(parts.inputs.history)
            with transaction(parts.engine) as connection:
                parts.remaker.take(parts.requests.pending(connection, ours), self._latest)
        if parts.remaker.idle:
            return
        self._settle()
        parts.contexts.refresh()
        remade = parts.remaker.step()
        try:
            stored = parts.transactions.store_remade(remade, parts.contexts.digest)
        except StaleContextError:
            parts.remaker.forget()  # the requests are still there
            self._counters["made_again"] += 1
            return
        self._note_latest(remade.made)
        parts.newest.changed(self._newest_of(remade.made))
        self._counters["remade"] += stored.revised + stored.added

    def _note_latest(self, made: Made) -> None:
        for ticker, newest in made.latest.items():
            self._latest[ticker] = max(newest, self._latest.get(ticker, newest))

    def _newest_of(self, made: Made) -> list[str]:
        """Return the tickers whose newest row is among these."""
        return [ticker for ticker, newest in made.latest.items() if newest >= self._latest[ticker]]

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
        if incoming.oldest is not None:
            BEHIND.set((self._runtime.clock.now() - incoming.oldest).total_seconds())
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
            self._tell_state(quiet=quiet)

    def _tell_state(self, *, quiet: bool) -> None:
        """Tell Prometheus how far we are."""
        parts = self._parts
        if quiet and not parts.intake.reason:
            BEHIND.set(0)
        if self._latest:
            NEWEST_BAR.set(max(self._latest.values()).timestamp())
        if self._is_due("queue", 10.0):
            with transaction(parts.engine) as connection:
                ours = parts.assignment.partitions(parts.inputs.history)
                REMAKE_REQUESTS.set(parts.requests.count(connection, ours))

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
