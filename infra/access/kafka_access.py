"""Users of Kafka and their rights."""

from collections.abc import Iterator, Mapping

from infra.access.identities import Topics, identities_in
from shared.contracts.topics import MACRO, TopicContract
from shared.kafka.access import Right
from shared.kafka.admin import KafkaAdmin
from shared.settings import KafkaSettings


def apply(settings: KafkaSettings, passwords: Mapping[str, str]) -> Iterator[str]:
    """Make the users and their rights be as the table says; yield a line for each change.

    Args:
        settings: Where Kafka is, and the login of a super user.
        passwords: Of each identity.

    Raises:
        ConfigurationError: the broker has no authorizer, or we are no super user.
        TransientError: Kafka does not answer.
    """
    rights = {identity.name: rights_of(identity.topics, settings.topic_macro) for identity in identities_in("kafka")}
    changes = KafkaAdmin(settings, "provision").grant(passwords, rights)
    yield from (f"kafka: {change}" for change in changes)
    if not changes:
        yield f"kafka: {len(rights)} users, as the table of identities says"


def rights_of(topics: Topics, macro_topic: str) -> list[Right]:
    """Return an identity's rights in Kafka's words. To read or write is to describe, too."""

    def name(topic: TopicContract) -> str:
        return macro_topic if topic is MACRO else topic.name

    return [
        *(Right("topic", name(topic), "write") for topic in topics.writes),
        *(Right("topic", name(topic), "read") for topic in topics.reads),
        *(Right("group", group.removesuffix("*"), "read", prefix=group.endswith("*")) for group in topics.joins),
        *(Right("group", group, "describe") for group in topics.looks),
    ]
