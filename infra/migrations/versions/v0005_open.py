"""The open of each feature row's bar: executable returns begin there. Rows of before have none."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to every partition."""
    op.execute("ALTER TABLE aggregated_data ADD COLUMN open double precision")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE aggregated_data DROP COLUMN open")
