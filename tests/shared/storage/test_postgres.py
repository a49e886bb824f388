"""PostgreSQL's errors on a real server: each says who must act and names the setting."""

import threading
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from shared.errors import ConfigurationError, TransientError
from shared.settings import PostgresSettings
from shared.storage.postgres import make_engine, transaction


@pytest.fixture
def engine(postgres: PostgresSettings) -> Iterator[Engine]:
    engine = make_engine(postgres)
    yield engine
    engine.dispose()


def run(settings: PostgresSettings, statement: str) -> None:
    engine = make_engine(settings)
    try:
        with transaction(engine) as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    "wrong", [{"postgres_password": "wrong"}, {"postgres_user": "nobody_of_ours"}, {"postgres_db": "no_such_database"}]
)
def test_refused_login_names_the_settings(postgres: PostgresSettings, wrong: dict[str, str]) -> None:
    given = {**postgres.model_dump(), **wrong}
    with pytest.raises(ConfigurationError, match="POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB"):
        run(PostgresSettings.load(**given), "SELECT 1")


@pytest.mark.parametrize("wrong", [{"postgres_port": 1}, {"postgres_host": "no-such-host.invalid"}])
def test_server_that_is_not_there_is_transient(postgres: PostgresSettings, wrong: dict[str, object]) -> None:
    with pytest.raises(TransientError, match="POSTGRES_HOST and POSTGRES_PORT"):
        run(postgres.model_copy(update=wrong), "SELECT 1")


def test_missing_table_says_to_provision(postgres: PostgresSettings) -> None:
    with pytest.raises(ConfigurationError, match=r"infra\.provision"):
        run(postgres, "SELECT * FROM no_such_table")


def test_missing_right_names_the_user(postgres: PostgresSettings) -> None:
    role = f"r{uuid.uuid4().hex[:10]}"
    run(postgres, f"CREATE ROLE {role}; CREATE TABLE t_{role} (x int)")
    with pytest.raises(ConfigurationError, match="POSTGRES_USER"):
        run(postgres, f"SET LOCAL ROLE {role}; SELECT * FROM t_{role}")
    run(postgres, f"DROP TABLE t_{role}; DROP ROLE {role}")


def test_role_with_too_many_connections_is_transient(postgres: PostgresSettings) -> None:
    role = f"r{uuid.uuid4().hex[:10]}"
    run(postgres, f"CREATE ROLE {role} LOGIN PASSWORD 'known' CONNECTION LIMIT 0")
    given = {**postgres.model_dump(), "postgres_user": role, "postgres_password": "known"}
    with pytest.raises(TransientError):
        run(PostgresSettings.load(**given), "SELECT 1")
    run(postgres, f"DROP ROLE {role}")


def test_error_rolls_everything_back(postgres: PostgresSettings, engine: Engine) -> None:
    table = f"t{uuid.uuid4().hex[:10]}"
    run(postgres, f"CREATE TABLE {table} (x int PRIMARY KEY)")
    with pytest.raises(IntegrityError), transaction(engine) as connection:
        connection.execute(text(f"INSERT INTO {table} VALUES (1)"))
        connection.execute(text(f"INSERT INTO {table} VALUES (1)"))
    with transaction(engine) as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
        connection.execute(text(f"DROP TABLE {table}"))


def test_connection_cut_midway_is_transient_and_the_next_one_works(engine: Engine) -> None:
    with pytest.raises(TransientError), transaction(engine) as connection:
        own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(engine) as other:
            other.execute(text("SELECT pg_terminate_backend(:own, 5000)"), {"own": own})
        connection.execute(text("SELECT 1"))
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_connection_that_died_in_the_pool_is_replaced_unseen(engine: Engine) -> None:
    with transaction(engine) as connection:
        own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    killer = make_engine(PostgresSettings.load(**_settings_of(engine)))
    with transaction(killer) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:own, 5000)"), {"own": own})
    killer.dispose()
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != own


def test_statement_that_waits_for_a_lock_ends(engine: Engine, postgres: PostgresSettings) -> None:
    table = f"t{uuid.uuid4().hex[:10]}"
    run(postgres, f"CREATE TABLE {table} (x int)")
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction(engine) as connection:
            connection.execute(text(f"LOCK TABLE {table}"))
            locked.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(30)
    with pytest.raises(TransientError, match="timeout"):
        run(postgres, f"SET LOCAL statement_timeout = 200; SELECT * FROM {table}")
    done.set()
    holder.join()
    run(postgres, f"DROP TABLE {table}")


def test_times_come_back_in_utc(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"


def _settings_of(engine: Engine) -> dict[str, object]:
    url = engine.url
    return {
        "postgres_host": url.host,
        "postgres_port": url.port,
        "postgres_db": url.database,
        "postgres_user": url.username,
        "postgres_password": url.password,
    }
