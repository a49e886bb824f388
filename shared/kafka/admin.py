"""Asks and tells the cluster: topics from their contracts, ids, offsets, what groups have committed."""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Slot
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import OffsetSpec as _OffsetSpec  # type: ignore[attr-defined]
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from shared.contracts.topics import TopicContract
from shared.errors import ConfigurationError, ContractError, TransientError
from shared.kafka.access import AccessKeeper, Right
from shared.kafka.config import client_config, error_of, log_event, refusal, translated
from shared.kafka.group_offsets import GroupOffsets
from shared.kafka.provisioning import Provisioner
from shared.ports import TopicPartition
from shared.settings import KafkaSettings

OffsetSpec: Any = _OffsetSpec
T = TypeVar("T")


class KafkaAdmin:
    """A client that manages topics and looks at offsets.

    Every call is tried again for `patience` seconds, then raises TransientError.

    Args:
        settings: Where Kafka is.
        client_id: Name of this client in the broker's log.
        patience: Seconds that one call is retried while Kafka does not answer.
        answer: Seconds that one answer is waited for.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        client_id: str = "tickerstream-admin",
        patience: float = 30.0,
        answer: float = 10.0,
    ) -> None:
        self._answer = answer
        self._settings = settings
        self._patience = patience
        self._refusal: ConfigurationError | None = None
        self._client: Any = AdminClient(client_config(settings, client_id) | {"error_cb": self._on_event})
        self._groups = GroupOffsets(settings, client_id, self._on_event, answer)

    def provision(self, contracts: Iterable[TopicContract]) -> list[str]:
        """Make the topics be as their contracts say; doing it again changes nothing.

        Returns:
            One line for each thing that was made or changed.

        Raises:
            ConfigurationError: the partition count of a topic that holds data would have to change.
            TransientError: Kafka does not answer.
        """
        return Provisioner(self._client, self._settings, self.end_offsets, self._patiently).provision(contracts)

    def grant(self, passwords: Mapping[str, str], rights: Mapping[str, Collection[Right]]) -> list[str]:
        """Make these users, with these rights and no other ones; doing it again changes nothing.

        Args:
            passwords: Of each user.
            rights: Of each user.

        Returns:
            One line for each user that got rights, and for each right that was taken away.

        Raises:
            ConfigurationError: we may not, or the broker knows no rights.
            TransientError: Kafka does not answer.
        """
        return AccessKeeper(self._client, self._patiently).keep(passwords, rights)

    def topics(self) -> dict[str, int]:
        """Return each topic and how many partitions it has; internal ones are left out."""
        found = self._patiently(lambda: self._client.list_topics(timeout=self._answer), "listing topics").topics
        return {name: len(topic.partitions) for name, topic in found.items() if not name.startswith("__")}

    def partitions(self, name: str) -> int:
        """Return how many partitions the topic has.

        Raises:
            ContractError: there is no such topic.
        """
        count = self.topics().get(name)
        if count is None:
            raise _missing(name)
        return count

    def topic_id(self, name: str) -> str:
        """Return the id that Kafka gave the topic when it was made: another one after it was deleted and made anew.

        Raises:
            ContractError: there is no such topic.
        """
        try:
            topic = self._done(
                lambda: self._client.describe_topics(TopicCollection([name]))[name], f"describing {name}"
            )
        except KafkaException as exception:
            raise _missing(name) if _is_missing(exception) else exception from None
        return str(topic.topic_id)

    def ask_topics(self, names: Collection[str]) -> dict[str, "Future[Any]"]:
        """Return the coming descriptions of topics at once, for whoever does not want to wait."""
        if not names:
            return {}
        asked: dict[str, Future[Any]] = self._client.describe_topics(TopicCollection(list(names)))
        return asked

    def ask_ends(self, slots: Iterable[TopicPartition]) -> dict[TopicPartition, "Future[Any]"]:
        """Return the coming ends of partitions at once, for whoever does not want to wait."""
        wanted = {Slot(topic, partition): OffsetSpec.latest() for topic, partition in slots}
        asked = self._client.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=self._answer
        )
        return {(slot.topic, slot.partition): answer for slot, answer in asked.items()}

    def end_offsets(self, name: str) -> dict[int, int]:
        """Return the offset after the last committed record of each partition."""
        return self._offsets(name, OffsetSpec.latest())

    def begin_offsets(self, name: str) -> dict[int, int]:
        """Return the first offset that each partition still holds."""
        return self._offsets(name, OffsetSpec.earliest())

    def _offsets(self, name: str, which: Any) -> dict[int, int]:
        slots = {Slot(name, p): which for p in range(self.partitions(name))}

        def ask() -> dict[int, int]:
            futures = self._client.list_offsets(
                slots, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=self._answer
            )
            return {slot.partition: future.result(self._answer).offset for slot, future in futures.items()}

        return dict(sorted(self._patiently(ask, f"reading offsets of {name}").items()))

    def committed(self, group: str, topics: Collection[str]) -> dict[TopicPartition, int]:
        """Return the next offset that the group has stored, for the partitions of `topics` where it has one."""
        counts = self.topics()
        slots = [(topic, partition) for topic in topics for partition in range(counts.get(topic, 0))]
        return self._patiently(lambda: self._groups.committed(group, slots), f"reading offsets of {group}")

    def cluster_id(self) -> str:
        """Return the id of the cluster."""
        found = self._patiently(lambda: self._client.list_topics(timeout=self._answer), "asking for the cluster")
        return str(found.cluster_id)

    def delete_topics(self, names: Collection[str]) -> None:
        """Delete the topics with all that they hold."""
        if names:
            for name, future in self._client.delete_topics(list(names), operation_timeout=self._answer).items():
                self._patiently(lambda f=future: f.result(self._answer), f"deleting {name}")  # type: ignore[misc]

    def _on_event(self, error: KafkaError) -> None:
        log_event(error)
        self._refusal = refusal(error) or self._refusal

    def _done(self, call: Callable[[], "Future[T]"], doing: str) -> T:
        return self._patiently(lambda: call().result(self._answer), doing)

    def _patiently(self, call: Callable[[], T], doing: str) -> T:
        """Return the result of `call`, repeated while waiting helps. A refusal comes out as KafkaException."""

        def once() -> T:
            self._client.poll(0)  # serves `_on_event`
            if self._refusal is not None:
                raise self._refusal
            try:
                return call()
            except TimeoutError:
                raise TransientError(f"Kafka did not answer at {doing}. Check that the broker runs.") from None
            except KafkaException as exception:
                failure = translated(error_of(exception), doing)
                if isinstance(failure, TransientError | ConfigurationError) and not _is_missing(exception):
                    raise failure from None
                raise

        again = Retrying(
            retry=retry_if_exception_type(TransientError),
            stop=stop_after_delay(self._patience),
            wait=wait_exponential(0.2, max=2.0),
            reraise=True,
        )
        return again(once)


def _is_missing(exception: KafkaException) -> bool:
    return error_of(exception).code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


def _missing(name: str) -> ContractError:
    return ContractError(
        f"topic {name} does not exist, or this user may not see it. Provision the topics (python -m infra.provision)."
    )
