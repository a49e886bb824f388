"""What every Kafka client shares: address, security, logging, and which errors mean waiting."""

import logging
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from shared.errors import ConfigurationError, TickerstreamError, TransientError
from shared.kafka.quiet import OncePerWhile
from shared.settings import KafkaSettings

LIBRDKAFKA: Final = logging.getLogger("librdkafka")
"""Where librdkafka's own log lines go."""

LIBRDKAFKA.addFilter(OncePerWhile(60.0))

MIB: Final = 1024 * 1024

_DENIED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)

_WAITING: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._RESOLVE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NOT_CONTROLLER,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        # A broker that was killed and has just started again may be behind what its clients have seen of it.
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError.KAFKA_STORAGE_ERROR,
    }
)


def client_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return what each client starts from: where Kafka is, who we are, and where log lines and events go."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": client_id,
        "security.protocol": settings.kafka_security_protocol,
        "socket.timeout.ms": 10_000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2_000,  # a broker that restarts is found again soon (default 10 s)
        "logger": LIBRDKAFKA,
        "error_cb": log_event,
    }
    password = settings.kafka_sasl_password
    given = {
        "sasl.mechanism": settings.kafka_sasl_mechanism,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": password.get_secret_value() if password else None,
        "ssl.ca.location": str(settings.kafka_ssl_ca_location) if settings.kafka_ssl_ca_location else None,
    }
    return config | {name: value for name, value in given.items() if value is not None}


def log_event(error: KafkaError) -> None:
    """Log a client-wide event; librdkafka goes on trying by itself."""
    LIBRDKAFKA.warning("%s: %s", error.name(), error.str())


def refusal(error: KafkaError) -> ConfigurationError | None:
    """Return the error to end with where a client-wide event says that the broker does not know us."""
    if error.code() not in _DENIED:
        return None
    return ConfigurationError(
        f"KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: Kafka refuses us: {error.str()}. Set them and start again."
    )


def error_of(exception: KafkaException) -> KafkaError:
    """Return the KafkaError that a KafkaException carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError)  # noqa: S101  confluent-kafka always puts one there
    return error


def is_waiting(error: KafkaError) -> bool:
    """Return whether waiting helps: the broker is away, elects, or rebalances."""
    return error.code() in _WAITING or bool(error.retriable())


def translated(error: KafkaError, doing: str) -> TickerstreamError:
    """Return our error for Kafka's: wait, mend the settings, or give up.

    Args:
        error: What Kafka said.
        doing: What was being done, such as `committing offsets of lake-stock`.
    """
    said = f"Kafka failed at {doing}: {error.str()} ({error.name()})"
    if error.code() in _DENIED:
        return ConfigurationError(f"{said}. Check KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and the user's rights.")
    if error.code() == KafkaError.KAFKA_STORAGE_ERROR:
        return TransientError(f"{said}. Its disk is full or damaged: make room on it, and start Kafka again.")
    if is_waiting(error):
        return TransientError(f"{said}. It is tried again; if it stays, check that the broker runs.")
    return TickerstreamError(f"{said}. Look at the broker's log.")
