"""Forgetting what the outbox has sent: a function, so that no service needs the right to delete."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# It runs as its owner, so its body alone says what may go: nothing unsent, nothing of the last 30 days.
FORGET = """
CREATE FUNCTION forget_sent() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH gone AS (
        DELETE FROM public.outbox WHERE id IN (
            SELECT id FROM public.outbox WHERE sent_at < now() - interval '30 days' ORDER BY id LIMIT 10000
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
$$
"""


def upgrade() -> None:
    """Make it."""
    op.execute(FORGET)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP FUNCTION forget_sent()")
