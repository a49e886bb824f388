"""How Alembic runs: on the connection that `migrate` hands it, under a lock, so that two provisioners wait in line."""

from alembic import context
from sqlalchemy import text

LOCK = 7_401_985_303  # any fixed number that names this lock

connection = context.config.attributes["connection"]
connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
