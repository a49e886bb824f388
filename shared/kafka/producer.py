"""Sends records to Kafka: idempotent, every acknowledgement checked, memory bounded."""

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from shared.closing import Closing
from shared.errors import (
    ConfigurationError,
    ContractError,
    DeliveryError,
    PoisonMessageError,
    TickerstreamError,
    TransientError,
)
from shared.kafka.config import MIB, client_config, error_of, log_event, refusal
from shared.kafka.messages import position_of
from shared.metrics.sending import FAILURES, Sent
from shared.ports import Outgoing, Position
from shared.settings import KafkaSettings

LARGEST_RECORD: Final = 5 * MIB
"""No record above this leaves the client; each topic's own limit (max.message.bytes) is the broker's to hold."""

_UNKNOWN_TOPIC: Final = frozenset(
    {KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION}
)


class KafkaWriter(Closing):
    """RecordWriter on a real broker.

    A queued record is tried without limit of time, so that nothing is delivered twice or out of order by our own
    repetition; the caller's bound is the `timeout` of `flush`. What the broker refuses for good is remembered, and
    every later call says so: the process must end and read again from what it committed.

    Args:
        settings: Where Kafka is.
        client_id: Name of this client in the broker's log.
        queue_mib: How much may wait in memory.
        send_seconds: How long `send` waits for room in the queue.
    """

    def __init__(
        self, settings: KafkaSettings, client_id: str, *, queue_mib: int = 64, send_seconds: float = 30.0
    ) -> None:
        self._where = settings.kafka_bootstrap_servers
        self._send_seconds = send_seconds
        self._failure: TickerstreamError | None = None
        self._sent = Sent()
        self._producer: Any = Producer(
            client_config(settings, client_id)
            | {
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "zstd",
                "partitioner": "murmur2_random",
                "linger.ms": 10,
                "message.timeout.ms": 0,  # never given up: see the class
                "message.max.bytes": LARGEST_RECORD,
                "queue.buffering.max.kbytes": queue_mib * 1024,
                "queue.buffering.max.messages": 100_000,
                "topic.metadata.propagation.max.ms": 10_000,
                "error_cb": self._on_event,
            }
        )

    def send(self, record: Outgoing, on_delivered: Callable[[Position], None] | None = None) -> None:
        """Queue a record, waiting while the queue is full. `on_delivered` is called from `send`, `poll` and `flush`."""
        deadline = time.monotonic() + self._send_seconds
        while not self._queued(record, on_delivered):
            self._producer.poll(0.05)
            self._raise_failure()
            if time.monotonic() > deadline:
                raise TransientError(
                    f"Kafka at {self._where} took no record for {self._send_seconds:g} s and the queue is full. "
                    "It is tried again; check that the broker runs."
                )
        self._producer.poll(0)
        self._raise_failure()

    def _queued(self, record: Outgoing, on_delivered: Callable[[Position], None] | None) -> bool:
        self._raise_failure()

        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._refused(record, error)
                return
            self._sent.add(record)
            if on_delivered is not None:
                on_delivered(position_of(message))

        try:
            self._producer.produce(
                record.topic, record.value, record.key, headers=dict(record.headers), on_delivery=report
            )
        except BufferError:
            return False
        except KafkaException as exception:
            error = error_of(exception)
            if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
                self._refused(record, error)
                self._raise_failure()
            raise PoisonMessageError(
                f"the record has {len(record.value):,} bytes, more than the {LARGEST_RECORD:,} that any topic takes",
                "record_too_large",
            ) from None
        return True

    def poll(self) -> None:
        """Serve delivery callbacks without waiting."""
        self._producer.poll(0)
        self._raise_failure()

    def flush(self, timeout: float) -> None:
        """Wait until everything sent is durable."""
        left = self._producer.flush(timeout)
        self._raise_failure()
        if left:
            raise TransientError(
                f"{left:,} records are not yet acknowledged by Kafka at {self._where} after {timeout:g} s. "
                "They stay queued and are tried on; check that the broker runs."
            )

    def close(self) -> None:
        """Free the client; what is still queued is dropped and nobody is told that it was delivered."""
        self._failure = self._failure or DeliveryError("the Kafka writer is closed. Make a new one.")
        self._producer.purge()
        self._producer.flush(1.0)

    def _on_event(self, error: KafkaError) -> None:
        log_event(error)
        if (refused := refusal(error)) is not None:
            self._fail(refused)
        if error.code() == KafkaError._FATAL:
            code, reason = error.code(), error.str()
            self._fail(
                DeliveryError(f"Kafka ended this producer for good: {reason} ({code}). Start the service again.")
            )

    def _refused(self, record: Outgoing, error: KafkaError) -> None:
        """Remember that the broker will never take `record`."""
        FAILURES.labels(record.topic, error.name()).inc()
        code = error.code()
        if code == KafkaError.MSG_SIZE_TOO_LARGE:
            size = len(record.value)
            text = (
                f"a record of {size:,} bytes is above max.message.bytes of topic {record.topic}. Provision the topics."
            )
            self._fail(ContractError(text))
        elif code in _UNKNOWN_TOPIC:
            self._fail(ContractError(f"topic {record.topic} does not exist. Provision the topics (tickerstream up)."))
        elif code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            self._fail(ConfigurationError(f"KAFKA_SASL_USERNAME: may not write to {record.topic}. Grant it the right."))
        else:
            self._fail(DeliveryError(f"Kafka refused a record for {record.topic}: {error.str()}. Start again."))

    def _fail(self, failure: TickerstreamError) -> None:
        self._failure = self._failure or failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
