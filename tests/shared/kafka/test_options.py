"""What the client of a group's member is told."""

from shared.kafka.options import ReaderOptions, consumer_config
from shared.settings import KafkaSettings


def test_every_member_of_a_group_has_the_session_of_the_settings() -> None:
    settings = KafkaSettings.load(kafka_session_seconds=2)
    config = consumer_config(settings, "group", "client", ReaderOptions())
    assert config["session.timeout.ms"] == 2000
    assert config["heartbeat.interval.ms"] == 400
