"""Makes topics be as their contracts say, and refuses what would put keys on other partitions."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, ResourceType  # type: ignore[attr-defined]

from shared.contracts.topics import TopicContract
from shared.errors import ConfigurationError, TransientError
from shared.settings import KafkaSettings

_SECONDS: Final = 15.0
COMPACTED_WITHIN_MS: Final = 3_600_000
"""A compacted topic keeps an earlier record of a key for about so long after a later one: Kafka compacts only segments
that are closed, and closes one by default after a week."""


def config_of(contract: TopicContract, settings: KafkaSettings) -> dict[str, str]:
    """Return the topic's configuration in Kafka's words."""
    compaction = {"segment.ms": str(COMPACTED_WITHIN_MS), "max.compaction.lag.ms": str(COMPACTED_WITHIN_MS)}
    return {
        "cleanup.policy": contract.cleanup,
        "retention.ms": str(contract.retention_ms),
        "max.message.bytes": str(contract.max_message_bytes),
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(max(1, settings.kafka_replication - 1)),
        **(compaction if contract.cleanup == "compact" else {}),
    }


class Provisioner:
    """Creates and corrects topics.

    Args:
        client: An AdminClient.
        settings: Partitions and replicas.
        end_offsets: Tells whether a topic ever held data.
        patiently: Repeats a call while Kafka does not answer.
    """

    def __init__(
        self,
        client: Any,
        settings: KafkaSettings,
        end_offsets: Callable[[str], dict[int, int]],
        patiently: Callable[[Callable[[], Any], str], Any],
    ) -> None:
        self._client = client
        self._settings = settings
        self._end_offsets = end_offsets
        self._patiently = patiently

    def provision(self, contracts: Iterable[TopicContract]) -> list[str]:
        """Return one line for each thing that was made or changed."""
        wanted = list(contracts)
        present = self._present()
        lines = []
        for contract in wanted:
            if contract.name not in present:
                lines += self._create(contract)
                continue
            partitions = present[contract.name].partitions
            lines += self._fit_partitions(contract, len(partitions))
            lines += self._fit_config(contract)
            replicas = min(len(p.replicas) for p in partitions.values())
            if replicas != self._settings.kafka_replication:
                lines.append(
                    f"{contract.name}: has {replicas} replicas, KAFKA_REPLICATION says "
                    f"{self._settings.kafka_replication}; reassign it by kafka-reassign-partitions"
                )
        self._await_visible({contract.name for contract in wanted})
        return lines

    def _present(self) -> dict[str, Any]:
        found = self._patiently(lambda: self._client.list_topics(timeout=_SECONDS), "listing topics").topics
        return dict(found)

    def _await_visible(self, names: set[str]) -> None:
        """Wait until the broker tells clients of every topic: it learns of a new one a moment after its making."""

        def look() -> None:
            missing = names - self._present().keys()
            if missing:
                raise TransientError(f"Kafka made {', '.join(sorted(missing))} but does not show it. Look at its log.")

        self._patiently(look, "waiting for new topics")

    def _count(self, contract: TopicContract) -> int:
        return self._settings.kafka_partitions if contract.sharded else contract.partitions

    def _create(self, contract: TopicContract) -> list[str]:
        count = self._count(contract)
        config = config_of(contract, self._settings)
        topic = NewTopic(contract.name, count, self._settings.kafka_replication, config=config)
        try:
            self._client.create_topics([topic], operation_timeout=_SECONDS)[contract.name].result(_SECONDS)
        except KafkaException as exception:
            if exception.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _refused(contract.name, exception) from None
            return self._fit_config(contract)  # somebody else made it just now
        return [f"{contract.name}: made with {count} partition{'s' if count != 1 else ''}"]

    def _fit_partitions(self, contract: TopicContract, present: int) -> list[str]:
        wanted = self._count(contract)
        if present == wanted:
            return []
        name = contract.name
        if present > wanted or any(self._end_offsets(name).values()):
            raise ConfigurationError(
                f"KAFKA_PARTITIONS: topic {name} has {present} partitions, wanted {wanted}, and changing it would "
                f"put keys on other partitions than their past. Set KAFKA_PARTITIONS={present}, or make a new topic."
            )
        futures = self._client.create_partitions([NewPartitions(name, wanted)], operation_timeout=_SECONDS)
        self._wait(futures[name], name)
        return [f"{name}: empty, partitions {present} -> {wanted}"]

    def _fit_config(self, contract: TopicContract) -> list[str]:
        resource = ConfigResource(ResourceType.TOPIC, contract.name)
        described = self._patiently(
            lambda: self._client.describe_configs([resource])[resource].result(_SECONDS), f"describing {contract.name}"
        )
        wanted = config_of(contract, self._settings)
        drift = {n: (described[n].value, value) for n, value in wanted.items() if described[n].value != value}
        if not drift:
            return []
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, (_, value) in drift.items()
        ]
        change = ConfigResource(ResourceType.TOPIC, contract.name, incremental_configs=entries)
        self._wait(self._client.incremental_alter_configs([change])[change], contract.name)
        return [f"{contract.name}: {name} {old} -> {new}" for name, (old, new) in drift.items()]

    def _wait(self, future: Any, name: str) -> None:
        try:
            future.result(_SECONDS)
        except KafkaException as exception:
            raise _refused(name, exception) from None


def _refused(name: str, exception: KafkaException) -> ConfigurationError:
    said = str(exception.args[0].str()).rstrip(".")
    return ConfigurationError(f"Kafka refused to provision topic {name}: {said}. Check KAFKA_REPLICATION and rights.")
