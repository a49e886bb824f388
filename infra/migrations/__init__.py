"""Alembic migrations of the PostgreSQL schema, run by provisioning."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine

from shared.storage.postgres import transaction


def revision_of(engine: Engine) -> str | None:
    """Return the revision that the database stands at; None for an empty one."""
    with transaction(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: Engine) -> tuple[str | None, str | None]:
    """Bring the schema to the newest revision, in one transaction; return (before, after).

    Raises:
        ConfigurationError: the login is refused, or its user may not change the schema.
        TransientError: the server does not answer.
    """
    before = revision_of(engine)
    config = Config()
    config.set_main_option("script_location", str(files("infra.migrations")))
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, revision_of(engine)
