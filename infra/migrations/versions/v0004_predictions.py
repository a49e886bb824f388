"""The ledger of predictions."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PREDICTIONS = """
CREATE TABLE predictions (
    id varchar(32) PRIMARY KEY,
    ticker varchar(32) NOT NULL,
    timestamp timestamptz NOT NULL,
    as_of timestamptz NOT NULL,
    horizon_minutes integer NOT NULL,
    close double precision NOT NULL,
    expected_return double precision NOT NULL,
    probability_up double precision,
    leads varchar(10) NOT NULL,
    feature_set varchar(64) NOT NULL,
    row_hash varchar(32) NOT NULL,
    simulated boolean NOT NULL,
    replayed boolean NOT NULL,
    made_at timestamptz NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX predictions_by_ticker ON predictions (ticker, as_of);
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(PREDICTIONS)


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP TABLE predictions")
