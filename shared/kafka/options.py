"""How who reads Kafka behaves, in our words and in librdkafka's: a member of a group, or somebody without one."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from shared.kafka.config import MIB, client_config
from shared.settings import KafkaSettings

_READING: Final[dict[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "isolation.level": "read_committed",
}


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """How a member of a group behaves.

    Attributes:
        assignment: How partitions are shared; `range` gives one member the same number of every topic.
        poll_seconds: A member that does not poll for so long has its partitions taken away: more than any flush to a
            slow store takes. One that is silent loses them by KAFKA_SESSION_SECONDS.
        commit_seconds: How long a commit may take before the caller hears that it is not confirmed.
        lag_seconds: How often Kafka is asked how far we are behind.
        watch_seconds: How often the topics' ids are looked at: one made anew stops the reader.
        prefetch_mib: How much is fetched ahead.
        batch_records: Most records that one poll returns.
        batch_mib: One poll stops at so many bytes.
    """

    assignment: Literal["cooperative-sticky", "range"] = "cooperative-sticky"
    poll_seconds: float = 600.0
    commit_seconds: float = 10.0
    watch_seconds: float = 5.0
    lag_seconds: float = 5.0
    prefetch_mib: int = 16
    batch_records: int = 500
    batch_mib: int = 1


def consumer_config(settings: KafkaSettings, group_id: str, client_id: str, options: ReaderOptions) -> dict[str, Any]:
    """Return the client's configuration; what a member commits and where it starts is ours to say, never its."""
    session = int(settings.kafka_session_seconds * 1000)
    return client_config(settings, client_id) | {
        **_READING,
        "group.id": group_id,
        "auto.offset.reset": "error",
        "partition.assignment.strategy": options.assignment,
        "session.timeout.ms": session,
        "max.poll.interval.ms": int(options.poll_seconds * 1000),
        "heartbeat.interval.ms": max(100, session // 5),
        "queued.max.messages.kbytes": options.prefetch_mib * 1024,
        "fetch.max.bytes": 8 * MIB,
        "max.partition.fetch.bytes": 2 * MIB,
        "fetch.wait.max.ms": 200,
        "allow.auto.create.topics": False,
    }


def groupless_config(settings: KafkaSettings, client_id: str, prefetch_mib: int) -> dict[str, Any]:
    """Return the configuration of a client that reads without a group, from the offsets that it is assigned."""
    return client_config(settings, client_id) | {
        **_READING,
        "group.id": client_id,  # the client wants one; nothing is ever committed
        "auto.offset.reset": "earliest",
        "queued.max.messages.kbytes": prefetch_mib * 1024,
        "fetch.wait.max.ms": 100,
    }
