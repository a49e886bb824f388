"""The three servers as processes of their own: they start, keep their data, survive SIGKILL, and stop in order."""

import psycopg2
import pymongo
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import Consumer, NewTopic, Producer, TopicPartition

from infra.embedded.kafka import KafkaServer, broker_count
from infra.embedded.layout import Home
from infra.embedded.mongo import MongoServer, answers_ping
from infra.embedded.ports import free_port
from infra.embedded.postgres import DATABASE, USER, PostgresServer
from shared.errors import TransientError
from shared.settings import PostgresSettings


def _rows(server: PostgresServer, statement: str) -> list[tuple[object, ...]]:
    place = {"host": "127.0.0.1", "port": server.port, "dbname": DATABASE, "user": USER}
    connection = psycopg2.connect(**place, password=server.password)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


@pytest.mark.kafka
def test_session_broker_answers_as_one_alive_broker(kafka: str) -> None:
    assert broker_count(int(kafka.rpartition(":")[2])) == 1


@pytest.mark.kafka
def test_killed_broker_started_again_keeps_what_it_acknowledged(own_kafka: KafkaServer) -> None:
    servers = {"bootstrap.servers": own_kafka.bootstrap_servers}
    admin = AdminClient(servers)
    admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(20)
    producer = Producer({**servers, "acks": "all", "enable.idempotence": True})
    producer.produce("kept", b"value")
    assert producer.flush(20) == 0

    own_kafka.kill()
    assert broker_count(own_kafka.port or 0) == 0
    own_kafka.start()
    own_kafka.wait_healthy()

    consumer = Consumer({**servers, "group.id": "reader"})
    consumer.assign([TopicPartition("kept", 0, 0)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.value() == b"value"


@pytest.mark.kafka
def test_broker_topics_are_not_made_by_a_client(own_kafka: KafkaServer) -> None:
    admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap_servers})
    admin.list_topics("surprise", timeout=20)
    assert "surprise" not in admin.list_topics(timeout=20).topics


def test_postgres_killed_and_started_again_keeps_committed_rows(home: Home) -> None:
    server = PostgresServer(home, free_port())
    try:
        server.start()
        server.wait_healthy()
        _rows(server, "CREATE TABLE kept AS SELECT 7 AS seven")
        server.kill()
        server.start()
        server.wait_healthy()
        assert _rows(server, "SELECT seven FROM kept") == [(7,)]
    finally:
        assert server.stop()


def test_postgres_with_a_pid_file_and_a_client_setting_of_others_starts(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")  # there is no TLS here, and none is asked for by our own questions
    server = PostgresServer(home, free_port())
    try:
        server.prepare()
        stale = server.data / "postmaster.pid"
        stale.write_text(f"1\n{server.data}\n0\n{server.port}\n\n127.0.0.1\n\nready\n", encoding="utf-8")
        server.start()
        server.wait_healthy()
    finally:
        server.stop()


def test_postgres_without_its_password_refuses(home: Home, postgres: PostgresSettings) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(
            host=postgres.postgres_host,
            port=postgres.postgres_port,
            dbname=postgres.postgres_db,
            user=postgres.postgres_user,
            password="wrong",
        )


def test_postgres_password_file_is_readable_by_its_owner_only(home: Home) -> None:
    server = PostgresServer(home, free_port())
    server.prepare()
    assert home.password_file.stat().st_mode & 0o077 == 0


def test_document_store_killed_and_started_again_keeps_documents(home: Home) -> None:
    server = MongoServer(home, free_port())
    try:
        server.start()
        server.wait_healthy()
        with pymongo.MongoClient(server.uri) as client:
            client["test"]["kept"].insert_one({"_id": 1, "text": "before"})
            server.kill()
        assert not answers_ping(server.port or 0)
        server.start()
        server.wait_healthy()
        with pymongo.MongoClient(server.uri) as client:
            assert client["test"]["kept"].find_one() == {"_id": 1, "text": "before"}
    finally:
        assert server.stop()


def test_server_that_cannot_bind_its_port_says_why(home: Home, kafka: str) -> None:
    server = PostgresServer(home, int(kafka.rpartition(":")[2]))
    server.start()
    with pytest.raises(TransientError, match="postgres ended with 1"):
        server.wait_healthy()
