"""A consumer as a whole: Kafka's records go through a handler into the lake, and refused ones to the dead letters."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from consumers.handler import LakeHandler
from consumers.kinds import Kind, kind_of
from consumers.merging import LakeWriter
from consumers.settings import ConsumerSettings
from shared.errors import TransientError
from shared.kafka.consumer import KafkaReader
from shared.kafka.dead_letters import DeadLetters
from shared.kafka.producer import KafkaWriter
from shared.ports import ObjectStore
from shared.runtime.loops import ConsumeLoop
from shared.runtime.service import Runtime
from shared.settings import KafkaSettings, LakeSettings
from shared.storage.lake import open_store

RETRY_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


def consume(runtime: Runtime, name: str) -> None:
    """Land what consumer `name` lands until stopped.

    Raises:
        ConfigurationError: a setting is wrong, or the store ignores conditions of writes.
        ContractError: a topic, a record or an object is not as the contracts say.
    """
    kafka, store = KafkaSettings.load(), open_store(LakeSettings.load())
    loop = lake_loop(runtime, kind_of(name, kafka), kafka, store, ConsumerSettings.load())
    if loop is not None:
        loop.run()


def lake_loop(
    runtime: Runtime, kind: Kind, kafka: KafkaSettings, store: ObjectStore, settings: ConsumerSettings
) -> ConsumeLoop | None:
    """Return the loop, ready to run, on a store that is proved; None when stopped before the store answered."""
    if not _await_store(runtime, store, kind.dataset.bucket):
        return None
    threads = ThreadPoolExecutor(settings.lake_writers, thread_name_prefix="lake")
    executor = runtime.resources.enter_context(threads)
    reader = runtime.resources.enter_context(KafkaReader(kafka, kind.group, kind.topics, runtime.name))
    writer = runtime.resources.enter_context(KafkaWriter(kafka, runtime.name))
    lake = LakeWriter(store, kind.dataset, runtime.name)
    handler = LakeHandler(kind, lake, executor, runtime.name)
    dead_letters = DeadLetters(writer, runtime.name, runtime.clock)
    return ConsumeLoop(reader, handler, dead_letters, writer, settings.policy, runtime)


def _await_store(runtime: Runtime, store: ObjectStore, bucket: str) -> bool:
    """Make the bucket and prove the store, however long it takes to answer; return False when stopped meanwhile."""
    while not runtime.stopping():
        try:
            store.ensure_bucket(bucket)
            store.probe(bucket)
        except TransientError as error:
            _log.warning("waiting for the lake: %s", error)
            runtime.heartbeat.beat("paused", str(error))
            runtime.stopping.wait(RETRY_SECONDS)
        else:
            return True
    return False
