"""The aggregator as a whole: from Kafka and the lake to feature rows in PostgreSQL, and from there to `features`."""

import logging
from contextlib import ExitStack
from typing import Final

from aggregator.active import Inactive
from aggregator.assignment import Assignment
from aggregator.contexts import Contexts
from aggregator.gap import LakeGap
from aggregator.gate import RunGate
from aggregator.intake import Intake
from aggregator.known_bars import KnownBars
from aggregator.loop import Membership, Parts
from aggregator.making import RowMaker
from aggregator.publishing import NewestRows
from aggregator.remakes import Remaker
from aggregator.runs import Runs
from aggregator.settings import AggregatorSettings
from aggregator.storing import Stores, Transactions
from aggregator.telling import tell_counters
from aggregator.topics import Inputs
from aggregator.weeks import PackedWeeks
from shared.errors import PoisonMessageError, TransientError
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.kafka.admin import KafkaAdmin
from shared.kafka.consumer import KafkaReader
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.partitioner import partition_of
from shared.kafka.producer import KafkaWriter
from shared.ports import ObjectStore, Record
from shared.runtime.checks import check_record
from shared.runtime.meter import count_error
from shared.runtime.service import Runtime
from shared.settings import KafkaSettings, LakeSettings, PostgresSettings
from shared.storage.context_store import ContextStore
from shared.storage.database import Engine
from shared.storage.feature_store import FeatureStore
from shared.storage.lake import open_store
from shared.storage.lake_bars import LakeBars
from shared.storage.offsets import FencedError, OffsetStore
from shared.storage.outbox import Outbox, OutboxRelay
from shared.storage.postgres import make_engine
from shared.storage.remakes import RemakeQueue
from shared.storage.run_tickers import RunTickers
from shared.storage.runs_store import RunsStore
from shared.storage.tickers import TickerRegistry

NAME: Final = "aggregator"
COUNTERS: Final = (
    *("bars", "refused", "facts", "rows", "revisions", "runs", "remade", "made_again"),
    *("poisoned", "features_sent", "memberships"),
)
_log = logging.getLogger(__name__)


def aggregate(runtime: Runtime) -> None:
    """Make feature rows until stopped.

    Raises:
        ConfigurationError: a setting is wrong, or the schema or the feature set is not provisioned.
        ContractError: a topic, a record or an object is not as the contracts say.
    """
    kafka = KafkaSettings.load()
    engine = make_engine(PostgresSettings.load())
    runtime.resources.callback(engine.dispose)
    store = open_store(LakeSettings.load())
    Aggregator(runtime, kafka, engine, store, AggregatorSettings.load(), Inputs.of(kafka)).run()


class Aggregator:
    """Begins memberships of the group, one after the other.

    Args:
        runtime: Clock, stop flag, heartbeat.
        kafka: Where Kafka is.
        engine: PostgreSQL.
        store: The lake.
        settings: How much at once.
        inputs: The topics.
    """

    def __init__(
        self,
        runtime: Runtime,
        kafka: KafkaSettings,
        engine: Engine,
        store: ObjectStore,
        settings: AggregatorSettings,
        inputs: Inputs,
    ) -> None:
        self._runtime = runtime
        self._kafka = kafka
        self._engine = engine
        self._store = store
        self._settings = settings
        self._inputs = inputs
        self._counters = dict.fromkeys(COUNTERS, 0)
        tell_counters(self._counters)

    def run(self) -> None:
        """Run until stopped. After a fault that passes, begin again from what is stored."""
        pause = self._settings.aggregator_retry_seconds
        while not self._runtime.stopping():
            before = self._counters["bars"] + self._counters["facts"]
            try:
                with ExitStack() as resources:
                    self._counters["memberships"] += 1
                    Membership(self._parts(resources), self._runtime, self._counters).run()
            except (TransientError, FencedError) as error:
                if self._counters["bars"] + self._counters["facts"] > before:
                    pause = self._settings.aggregator_retry_seconds
                _log.warning("begins again in %g s: %s", pause, error)
                count_error(error)
                self._runtime.heartbeat.beat("paused", str(error), self._counters)
                self._runtime.stopping.wait(pause)
                pause = min(2 * pause, self._settings.aggregator_retry_max_seconds)

    def _parts(self, resources: ExitStack) -> Parts:
        """Return the parts of a new membership, entered in `resources`."""
        kafka, inputs, clock, engine = self._kafka, self._inputs, self._runtime.clock, self._engine
        offsets, admin = OffsetStore(engine), KafkaAdmin(kafka, f"{NAME}-admin")
        assignment = Assignment(offsets, f"{NAME}-{self._counters['memberships']}")
        options = self._settings.reader_options()
        writer = resources.enter_context(KafkaWriter(kafka, NAME, queue_mib=16))
        reader = KafkaReader(kafka, inputs.group, inputs.all, NAME, options, assignment.take)
        resources.enter_context(reader)
        features, context, remakes, runs = FeatureStore(FEATURE_SET, NAMES), ContextStore(), RemakeQueue(), RunsStore()
        run_parts = Runs(runs, RunTickers(), Outbox(), clock, admin.topic_id)
        gate = RunGate(engine, runs, offsets, admin, clock, inputs)
        dead_letters = DeadLetters(writer, NAME, clock)
        maker, contexts = self._maker(reader, admin, assignment, context)

        def partition(ticker: str) -> int:
            return partition_of(ticker.encode(), reader.partition_count(inputs.history))

        return Parts(
            engine=engine,
            reader=reader,
            writer=writer,
            inputs=inputs,
            assignment=assignment,
            intake=Intake(inputs, gate, lambda record: check_record(record, reader), dead_letters, admin.topic_id),
            gate=gate,
            contexts=contexts,
            maker=maker,
            remaker=Remaker(maker, inputs.history, self._settings.aggregator_remake_weeks, partition),
            requests=remakes,
            transactions=Transactions(engine, Stores(features, context, remakes, run_parts), assignment, clock),
            newest=NewestRows(engine, features, writer, clock, self._settings.aggregator_publish_seconds),
            relay=OutboxRelay(engine, writer),
            inactive=Inactive(TickerRegistry(engine), clock, self._settings.aggregator_refresh_seconds),
            partition_of=partition,
        )

    def _maker(
        self, reader: KafkaReader, admin: KafkaAdmin, assignment: Assignment, context: ContextStore
    ) -> tuple[RowMaker, Contexts]:
        def accepts(record: Record) -> bool:
            try:
                check_record(record, reader)
            except PoisonMessageError:
                return False
            return True

        gap = LakeGap(self._kafka, admin, self._inputs.lake_group, accepts)
        packed = PackedWeeks(self._settings.aggregator_cache_mib)
        known = KnownBars(packed, LakeBars(self._store), gap, assignment, self._inputs.bars)
        contexts = Contexts(self._engine, context)
        return RowMaker(known, contexts), contexts
