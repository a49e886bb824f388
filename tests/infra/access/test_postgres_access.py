"""What roles of PostgreSQL may do, asked of a real server; the rights are written down here once more."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, event, text

from infra.access import postgres_access
from infra.access.identities import IDENTITIES
from shared.errors import ConfigurationError
from shared.features.catalogue import FEATURE_SET, NAMES
from shared.settings import PostgresSettings
from shared.storage.feature_tables import ensure_feature_set
from shared.storage.outbox import Outbox
from shared.storage.postgres import make_engine, open_engine, transaction
from tests.infra.access.conftest import passwords, role_settings

Roles = dict[str, PostgresSettings]

READS = {
    "producers": "tickers",
    "consumers": "predictions",
    "aggregator": "aggregated_data aggregation_batches corporate_actions feature_sets filings macro_vintages outbox "
    "remake_requests run_tickers run_topics runs source_offsets tickers",
    "train": "aggregated_data deployments feature_sets filings models outbox ticker_profiles tickers training_jobs "
    "training_runs",
    "predictor": "aggregated_data deployments models predictions training_jobs training_runs",
    "cli": "aggregated_data deployments feature_sets models remake_requests run_topics runs source_offsets tickers "
    "training_jobs training_runs",
}
INSERTS = {
    "consumers": "predictions",
    "aggregator": "aggregated_data aggregation_batches corporate_actions filings macro_vintages outbox "
    "remake_requests run_tickers run_topics runs source_offsets",
    "train": "deployments models outbox ticker_profiles training_jobs training_runs",
    "cli": "remake_requests tickers",
}
KEPT = {
    "aggregator": ("aggregated_data.close", "aggregated_data.ticker", "filings.statement", "remake_requests.since"),
    "train": ("models.digest", "models.metrics", "deployments.verdict", "training_jobs.ticker", "outbox.value"),
    "consumers": ("predictions.id",),
    "cli": ("feature_sets.names", "remake_requests.done_at"),
}
"""Columns that a role may not change, though it may change or add others of that table."""


def tables(engine: Engine) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    with transaction(engine) as connection:
        return list(connection.execute(text(query)).scalars())


def may(engine: Engine, role: str, privilege: str) -> set[str]:
    """Return the tables of which PostgreSQL itself says that a role has a privilege on them or a column of them."""
    query = text("SELECT has_table_privilege(:role, :table, :what) OR has_any_column_privilege(:role, :table, :what)")
    only = text("SELECT has_table_privilege(:role, :table, :what)")
    by_column = privilege in ("SELECT", "INSERT", "UPDATE", "REFERENCES")
    with transaction(engine) as connection:
        return {
            table
            for table in tables(engine)
            if connection.execute(
                query if by_column else only, {"role": role, "table": f'"{table}"', "what": privilege}
            ).scalar_one()
        }


def refused(settings: PostgresSettings, *statements: str) -> None:
    """Assert that each statement is refused for lack of a right."""
    with open_engine(settings) as engine:
        for statement in statements:
            with pytest.raises(ConfigurationError, match=r"gives no right|refuses the login"), transaction(engine) as c:
                c.execute(text(statement))


def lines(engine: Engine) -> Sequence[str]:
    return list(postgres_access.apply(engine, passwords("postgres")))


def test_roles_read_and_add_what_the_table_says_and_delete_nothing(owner: Engine, roles: Roles) -> None:
    for role in roles:
        assert may(owner, role, "SELECT") == set(READS.get(role, "").split()), role
        assert may(owner, role, "INSERT") == set(INSERTS.get(role, "").split()), role
        for privilege in ("DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
            assert may(owner, role, privilege) == set(), (role, privilege)


def test_what_is_once_written_stays(roles: Roles) -> None:
    for role, columns in KEPT.items():
        for table, column in (name.split(".") for name in columns):
            refused(roles[role], f'UPDATE {table} SET "{column}" = NULL')
        refused(roles[role], *(f"DELETE FROM {column.partition('.')[0]}" for column in columns[:1]))


def test_no_role_makes_changes_or_leaves_the_schema(roles: Roles) -> None:
    for settings in roles.values():
        refused(
            settings,
            "CREATE TABLE own (n integer)",
            "CREATE TEMP TABLE own (n integer)",
            "CREATE SCHEMA own",
            "CREATE ROLE own",
            "ALTER TABLE tickers ADD COLUMN own text",
            "DROP TABLE tickers",
            "SELECT * FROM alembic_version",
            f'SELECT * FROM "aggregated_data_{FEATURE_SET}_0"',
            "SELECT rolpassword FROM pg_authid",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "SELECT pg_read_file('postgresql.conf')",
            "SET ROLE tickerstream",
        )


def test_role_sees_and_adds_only_messages_that_its_service_sends(owner: Engine, roles: Roles) -> None:
    with transaction(owner) as connection:
        for topic in ("start_model", "model_events"):
            Outbox().add(connection, topic, None, b"{}", f"{topic}/1")
    for role, mine, other in (("aggregator", "start_model", "model_events"), ("train", "model_events", "start_model")):
        with open_engine(roles[role]) as engine:
            with transaction(engine) as connection:
                assert connection.execute(text("SELECT topic FROM outbox")).scalars().all() == [mine]
                assert Outbox().add(connection, mine, None, b"{}", f"{mine}/2")
                assert not Outbox().add(connection, mine, None, b"{}", f"{mine}/2")
                changed = connection.execute(text("UPDATE outbox SET sent_at = now() RETURNING topic")).scalars()
                assert set(changed) == {mine}
            with pytest.raises(ConfigurationError, match="row-level security"), transaction(engine) as connection:
                Outbox().add(connection, other, None, b"{}", f"{other}/2")
            with pytest.raises(ConfigurationError, match="permission"), transaction(engine) as connection:
                connection.execute(text("UPDATE outbox SET topic = 'features'"))


def test_old_messages_are_forgotten_by_those_who_send_without_a_right_to_delete(owner: Engine, roles: Roles) -> None:
    for name, topic in (("aggregator", "start_model"), ("train", "model_events")):
        with transaction(owner) as connection:
            Outbox().add(connection, topic, None, b"{}", f"{topic}/old")
            connection.execute(text("UPDATE outbox SET sent_at = now() - interval '31 days'"))
        with open_engine(roles[name]) as engine, transaction(engine) as connection:
            assert connection.execute(text("SELECT forget_sent()")).scalar_one() == 1
        refused(roles[name], "DELETE FROM outbox")
    for name in ("producers", "consumers", "predictor", "cli"):
        refused(roles[name], "SELECT forget_sent()")


def test_wrong_password_is_refused_and_a_new_one_counts(owner: Engine, roles: Roles) -> None:
    wrong = roles["train"].model_copy(update={"postgres_password": roles["cli"].postgres_password})
    refused(wrong, "SELECT 1")
    list(postgres_access.apply(owner, passwords("postgres") | {"train": wrong.postgres_password.get_secret_value()}))
    with open_engine(wrong) as engine, transaction(engine) as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == "train"
    refused(roles["train"], "SELECT 1")


def test_password_is_in_no_statement(owner: Engine) -> None:
    said: list[str] = []
    event.listen(owner, "before_cursor_execute", lambda *given: said.append(f"{given[2]} {given[3]}"))
    lines(owner)
    assert sum("SCRAM-SHA-256$" in statement for statement in said) == 6
    assert not [statement for statement in said if "password-of" in statement]


def test_second_time_changes_nothing(owner: Engine, roles: Roles) -> None:
    assert roles
    assert lines(owner) == ["postgres: 6 roles, as the table of identities says"]


def test_what_is_too_much_is_taken_away(owner: Engine, roles: Roles) -> None:
    by_hand = (
        "GRANT DELETE ON models TO train",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC",
        "GRANT UPDATE (digest) ON models TO predictor",
        "GRANT ALL ON SEQUENCE outbox_id_seq TO cli",
        "GRANT pg_read_all_data TO consumers",
        "ALTER ROLE cli SUPERUSER",
        "GRANT CREATE ON SCHEMA public TO producers",
        "SET ROLE producers",
        "CREATE TABLE its_own (n integer)",
        "RESET ROLE",
        "CREATE POLICY all_of_it ON outbox TO PUBLIC USING (true)",
        "ALTER TABLE outbox DISABLE ROW LEVEL SECURITY",
    )
    with transaction(owner) as connection:
        for statement in by_hand:
            connection.execute(text(statement))
    said = "\n".join(lines(owner))
    assert "taken away: train: delete on table models" in said
    assert "taken away: predictor: update on table models.digest" in said
    assert "taken away: consumers is a member of pg_read_all_data" in said
    refused(roles["train"], "DELETE FROM models")
    refused(roles["predictor"], "UPDATE models SET digest = ''", "SELECT * FROM tickers")
    refused(roles["consumers"], "SELECT * FROM tickers")
    refused(roles["cli"], "CREATE ROLE own", "SELECT setval('outbox_id_seq', 1)")
    refused(roles["producers"], "CREATE TABLE own (n integer)", "SELECT * FROM its_own")
    with open_engine(roles["train"]) as engine, transaction(engine) as connection:
        Outbox().add(connection, "model_events", None, b"{}", "one")
    with open_engine(roles["aggregator"]) as engine, transaction(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM outbox")).scalar_one() == 0
    assert lines(owner) == ["postgres: 6 roles, as the table of identities says"]


def test_later_feature_sets_columns_and_tables_need_and_give_no_further_rights(owner: Engine, roles: Roles) -> None:
    with transaction(owner) as connection:
        ensure_feature_set(connection, "later", [*NAMES, "a_new_one"])
        connection.execute(text("CREATE TABLE by_a_migration (n bigserial)"))
    with open_engine(roles["train"]) as engine, transaction(engine) as connection:
        query = "SELECT a_new_one FROM aggregated_data WHERE feature_set = 'later'"
        assert connection.execute(text(query)).all() == []
    for settings in roles.values():
        refused(settings, "SELECT * FROM by_a_migration", "SELECT * FROM aggregated_data_later")
    assert lines(owner) == ["postgres: 6 roles, as the table of identities says"]


def test_every_table_is_somebodys_or_is_named_here(owner: Engine) -> None:
    nobodys = {"alembic_version", "model_performance"}
    whole = {table for table in tables(owner) if not table.startswith("aggregated_data_")}
    assert {table for identity in IDENTITIES for table in identity.tables} | nobodys == whole


def test_service_cannot_provision(database: PostgresSettings, roles: Roles) -> None:
    assert roles
    engine = make_engine(role_settings(database, "cli"))
    with pytest.raises(ConfigurationError, match="POSTGRES_USER: cli is a service"):
        list(postgres_access.apply(engine, passwords("postgres")))
    engine.dispose()
