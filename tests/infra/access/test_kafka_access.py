"""Who may do what in Kafka, asked of a broker with an authorizer; the rights are written down here once more."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from infra.access import kafka_access
from infra.access.identities import CLI, IDENTITIES
from shared.contracts.topics import MACRO, TOPICS
from shared.errors import ConfigurationError, TickerstreamError
from shared.kafka.access import Right
from shared.kafka.admin import KafkaAdmin
from shared.kafka.config import client_config
from shared.kafka.consumer import KafkaReader
from shared.kafka.follow import follow_topic
from shared.kafka.producer import KafkaWriter
from shared.kafka.scan import read_topic
from shared.ports import Outgoing
from shared.settings import KafkaSettings
from shared.testing.eventually import eventually
from tests.infra.access.secured import PASSWORDS, SecuredKafka
from tests.shared.kafka.clusters import fresh_name

pytestmark = pytest.mark.kafka

FACTS = {"h_alpaca", "stock_bars", "corporate_actions", "h_macrodata", "h_company"}
EVERY = {topic.name for topic in TOPICS}
WRITES = {
    "producers": FACTS | {"runs", "dead_letters"},
    "consumers": {"dead_letters"},
    "aggregator": {"features", "start_model", "dead_letters"},
    "train": {"model_events", "dead_letters"},
    "predictor": {"predictions", "start_model", "dead_letters"},
    "cli": FACTS | {"runs", "start_model", "dead_letters"},
}
READS = {
    "producers": {"runs"},
    "aggregator": FACTS | {"runs"},
    "predictor": {"model_events", "features", "runs"},
    "cli": EVERY,
}
"""What is read without a group."""
GROUPS = {
    "consumers": [
        ("lake-stock", {"h_alpaca", "stock_bars"}),
        ("lake-actions", {"corporate_actions"}),
        ("lake-macro", {"h_macrodata"}),
        ("lake-company", {"h_company"}),
        ("ledger-predictions", {"predictions"}),
    ],
    "aggregator": [("aggregator", FACTS | {"runs"})],
    "train": [("train", {"start_model"})],
}


def succeeds(call: Callable[[], object]) -> bool:
    """Whether a call is allowed; anything but a refusal fails the test."""
    try:
        call()
    except TickerstreamError as error:
        assert "not see it" in str(error) or isinstance(error, ConfigurationError), error
        return False
    return True


def send(settings: KafkaSettings, topic: str) -> None:
    with KafkaWriter(settings, "test") as writer:
        writer.send(Outgoing(topic, b"AAPL", b"{}"))
        writer.flush(20)


def read(settings: KafkaSettings, topic: str) -> list[object]:
    return list(read_topic(settings, topic))


def allowed(call: Callable[[KafkaSettings, str], object], kafka: SecuredKafka) -> dict[str, set[str]]:
    """Return the topics with which each identity may do something."""
    pairs = [(identity.name, topic) for identity in IDENTITIES for topic in sorted(EVERY)]
    with ThreadPoolExecutor(11) as threads:
        found = list(threads.map(lambda pair: succeeds(lambda: call(kafka.user(pair[0]), pair[1])), pairs))
    mine = {identity.name: set[str]() for identity in IDENTITIES}
    for (name, topic), may in zip(pairs, found, strict=True):
        if may:
            mine[name].add(topic)
    return mine


def test_identities_write_their_topics_and_no_other(secured_kafka: SecuredKafka) -> None:
    assert allowed(send, secured_kafka) == WRITES


def test_topics_are_read_by_those_of_the_table_only(secured_kafka: SecuredKafka) -> None:
    for topic in EVERY:
        send(secured_kafka.admin, topic)  # an empty topic would be read without being asked for
    found = allowed(read, secured_kafka)
    # Those who read as members of groups only may ask about a topic, and are refused without a group of their own.
    assert {name: found[name] for name in READS} == READS
    assert all(not found[name] or found[name] <= {t for _, topics in GROUPS[name] for t in topics} for name in GROUPS)


def test_members_of_groups_read_and_commit_as_their_services_do(secured_kafka: SecuredKafka) -> None:
    for topic in EVERY:
        send(secured_kafka.admin, topic)

    def joins(name: str, group: str, topics: set[str]) -> bool:
        def take() -> None:
            with KafkaReader(secured_kafka.user(name), group, sorted(topics), "test") as reader:
                reader.subscribe(lambda _: None, lambda _: None)
                seen: set[str] = set()

                def look() -> bool:
                    seen.update(record.position.topic for record in reader.poll(0.2))
                    return seen == topics

                eventually(look, seconds=30)
                reader.commit(reader.positions)

        return succeeds(take)

    cases = [(name, *case) for name, its in GROUPS.items() for case in its]
    with ThreadPoolExecutor(len(cases)) as threads:
        assert all(threads.map(lambda case: joins(*case), cases))
    stored = KafkaAdmin(secured_kafka.user("aggregator")).committed("lake-stock", ["h_alpaca"])
    assert sum(stored.values()) > 0


@pytest.mark.parametrize(
    ("name", "group", "topic"),
    [
        ("aggregator", "lake-stock", "h_alpaca"),
        ("consumers", "aggregator", "h_alpaca"),
        ("cli", "train", "start_model"),
        ("predictor", "tickerstream-follow", "features"),
    ],
)
def test_nobody_joins_the_group_of_another(secured_kafka: SecuredKafka, name: str, group: str, topic: str) -> None:
    with KafkaReader(secured_kafka.user(name), group, [topic], "test") as reader:
        reader.subscribe(lambda _: None, lambda _: None)
        with pytest.raises(ConfigurationError, match="authorization failed"):
            eventually(lambda: reader.poll(0.2), seconds=20)


def test_predictor_follows_its_topics(secured_kafka: SecuredKafka) -> None:
    send(secured_kafka.admin, "features")
    first = dict.fromkeys(KafkaAdmin(secured_kafka.user("predictor")).end_offsets("features"), 0)
    found = follow_topic(secured_kafka.user("predictor"), "features", first, lambda: False)
    assert next(record for record in found if record is not None).position.topic == "features"


def test_wrong_password_and_unknown_user_are_refused(secured_kafka: SecuredKafka) -> None:
    for user, password in (("train", PASSWORDS["cli"]), ("nobody", "x")):
        with pytest.raises(ConfigurationError, match="KAFKA_SASL"):
            KafkaAdmin(secured_kafka.user(user, password), patience=10, answer=1).topics()


def test_identity_makes_no_topic_and_no_user(secured_kafka: SecuredKafka) -> None:
    mine = replace(MACRO, name=fresh_name("own"))
    with pytest.raises(ConfigurationError):
        KafkaAdmin(secured_kafka.user("cli"), patience=1).provision([mine])
    with pytest.raises(ConfigurationError):
        KafkaAdmin(secured_kafka.user("cli"), patience=1).grant({"cli": "another-password"}, {})
    assert mine.name not in KafkaAdmin(secured_kafka.admin).topics()


def test_second_time_changes_nothing_and_what_is_too_much_is_taken_away(secured_kafka: SecuredKafka) -> None:
    unchanged = ["kafka: 6 users, as the table of identities says"]
    assert list(kafka_access.apply(secured_kafka.admin, PASSWORDS)) == unchanged

    much = AclBinding(
        ResourceType.TOPIC, "h_", ResourcePatternType.PREFIXED, "User:predictor", "*",
        AclOperation.ALL, AclPermissionType.ALLOW,
    )  # fmt: skip
    strangers = AclBinding(
        ResourceType.TOPIC, "h_company", ResourcePatternType.LITERAL, "User:somebody", "*",
        AclOperation.READ, AclPermissionType.ALLOW,
    )  # fmt: skip
    client = AdminClient(client_config(secured_kafka.admin, "test"))
    for future in client.create_acls([much, strangers]).values():
        future.result(10)
    eventually(lambda: succeeds(lambda: send(secured_kafka.user("predictor"), "h_company")))
    (line,) = kafka_access.apply(secured_kafka.admin, PASSWORDS)
    assert "taken away: predictor allow all topic h_" in line
    eventually(lambda: not succeeds(lambda: send(secured_kafka.user("predictor"), "h_company")))
    assert list(kafka_access.apply(secured_kafka.admin, PASSWORDS)) == unchanged


def test_new_password_is_the_one_that_counts(secured_kafka: SecuredKafka) -> None:
    changed = PASSWORDS | {"predictor": "another-password-for-it"}
    list(kafka_access.apply(secured_kafka.admin, changed))
    assert KafkaAdmin(secured_kafka.user("predictor", changed["predictor"])).topics()
    with pytest.raises(ConfigurationError):
        KafkaAdmin(secured_kafka.user("predictor"), patience=10, answer=1).topics()
    list(kafka_access.apply(secured_kafka.admin, PASSWORDS))
    assert KafkaAdmin(secured_kafka.user("predictor")).topics()


def test_broker_without_an_authorizer_is_named(kafka: str) -> None:
    with pytest.raises(ConfigurationError, match="authorizer"):
        list(kafka_access.apply(KafkaSettings.load(kafka_bootstrap_servers=kafka), PASSWORDS))


def test_rights_follow_the_name_of_the_macro_topic() -> None:
    names = {right.name for right in kafka_access.rights_of(CLI.topics, "macro")}
    assert "macro" in names
    assert MACRO.name not in names
    assert Right("group", "console-consumer-", "read", prefix=True) in kafka_access.rights_of(CLI.topics, "macro")
