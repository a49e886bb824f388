"""Feature rows and what they are made from: offsets, lineage, context, runs, remakes, outbox."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The columns of the features themselves, and the partitions of a feature set, are added by provisioning from the
# catalogue. Not-null columns of fixed width come first: what follows a text or a null costs more to read.
ROWS = """
CREATE TABLE aggregated_data (
    "timestamp" timestamptz NOT NULL,
    as_of timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    batch_id bigint NOT NULL,
    revision integer NOT NULL,
    simulated boolean NOT NULL,
    replayed boolean NOT NULL,
    served boolean NOT NULL,
    ticker text NOT NULL,
    session text NOT NULL,
    feature_set text NOT NULL,
    superseded_at timestamptz
) PARTITION BY LIST (feature_set);

CREATE TABLE feature_sets (
    name text PRIMARY KEY,
    names text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    created_at timestamptz NOT NULL DEFAULT now(),
    activated_at timestamptz
);
CREATE UNIQUE INDEX feature_sets_one_active ON feature_sets (state) WHERE state = 'active';
"""

LINEAGE = """
CREATE TABLE source_offsets (
    topic_id text NOT NULL,
    partition integer NOT NULL,
    topic text NOT NULL,
    epoch bigint NOT NULL,
    next_offset bigint NOT NULL,
    owner text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic_id, partition)
);
CREATE INDEX source_offsets_topic ON source_offsets (topic, partition);

CREATE TABLE aggregation_batches (
    batch_id bigserial PRIMARY KEY,
    feature_set text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('stream', 'remake', 'rebuild')),
    topic text NOT NULL,
    topic_id text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    epoch bigint NOT NULL,
    applied jsonb NOT NULL,
    made_at timestamptz NOT NULL
);

CREATE TABLE remake_requests (
    request_id bigserial PRIMARY KEY,
    partition integer NOT NULL,
    ticker text,
    since timestamptz NOT NULL,
    as_of timestamptz NOT NULL,
    reason text NOT NULL,
    unique_key text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    batch_id bigint
);
CREATE INDEX remake_requests_pending ON remake_requests (partition, request_id) WHERE done_at IS NULL;
"""

# One row a version; `version` is the hash of what the message says, `sequence` grows with every change.
CONTEXT = """
CREATE SEQUENCE context_sequence;

CREATE TABLE macro_vintages (
    version bytea PRIMARY KEY,
    sequence bigint NOT NULL DEFAULT nextval('context_sequence'),
    ingested_at timestamptz NOT NULL,
    series text NOT NULL,
    date date NOT NULL,
    value double precision,
    released_at timestamptz NOT NULL,
    released_basis text NOT NULL,
    vintage date,
    latest_vintage boolean NOT NULL,
    source text NOT NULL,
    simulated boolean NOT NULL
);
CREATE INDEX macro_vintages_fact ON macro_vintages (simulated, series, date);
CREATE INDEX macro_vintages_sequence ON macro_vintages (sequence);

CREATE TABLE filings (
    version bytea PRIMARY KEY,
    sequence bigint NOT NULL DEFAULT nextval('context_sequence'),
    ingested_at timestamptz NOT NULL,
    symbol text NOT NULL,
    period text NOT NULL,
    period_end date NOT NULL,
    "calendarYear" bigint NOT NULL,
    filed_at timestamptz NOT NULL,
    filed_basis text NOT NULL,
    source text NOT NULL,
    simulated boolean NOT NULL,
    statement jsonb NOT NULL
);
CREATE INDEX filings_fact ON filings (symbol, period, period_end);
CREATE INDEX filings_sequence ON filings (sequence);

CREATE TABLE corporate_actions (
    version bytea PRIMARY KEY,
    sequence bigint NOT NULL DEFAULT nextval('context_sequence'),
    ingested_at timestamptz NOT NULL,
    ticker text NOT NULL,
    action text NOT NULL,
    label text NOT NULL,
    ratio double precision,
    amount double precision,
    ex_date date NOT NULL,
    known_at timestamptz NOT NULL,
    known_basis text NOT NULL,
    source text NOT NULL,
    simulated boolean NOT NULL
);
CREATE INDEX corporate_actions_fact ON corporate_actions (ticker, action, label, ex_date);
CREATE INDEX corporate_actions_sequence ON corporate_actions (sequence);
"""

RUNS = """
CREATE TABLE runs (
    run_id text PRIMARY KEY,
    sequence bigserial NOT NULL,
    run_set text NOT NULL,
    state text NOT NULL CHECK (state IN ('declared', 'done', 'aborted', 'superseded')),
    attempt integer NOT NULL,
    topics text[] NOT NULL,
    source text NOT NULL,
    simulated boolean NOT NULL,
    settings jsonb NOT NULL,
    declared_at timestamptz NOT NULL,
    finished_at timestamptz,
    reason text
);
CREATE INDEX runs_in_progress ON runs (run_set) WHERE state = 'declared';

CREATE TABLE run_topics (
    run_id text NOT NULL,
    topic text NOT NULL,
    topic_id text NOT NULL,
    attempt integer NOT NULL,
    partitions jsonb NOT NULL,
    rejected bigint NOT NULL,
    duplicates bigint NOT NULL,
    confirmed_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, topic)
);

CREATE TABLE run_tickers (
    run_id text NOT NULL,
    ticker text NOT NULL,
    PRIMARY KEY (run_id, ticker)
);

CREATE TABLE outbox (
    id bigserial PRIMARY KEY,
    unique_key text NOT NULL UNIQUE,
    topic text NOT NULL,
    key bytea,
    value bytea NOT NULL,
    headers jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
CREATE INDEX outbox_pending ON outbox (id) WHERE sent_at IS NULL;
"""

TABLES = (
    *("aggregated_data", "feature_sets", "source_offsets", "aggregation_batches", "remake_requests"),
    *("macro_vintages", "filings", "corporate_actions", "runs", "run_topics", "run_tickers", "outbox"),
)


def upgrade() -> None:
    """Make the tables."""
    for script in (ROWS, LINEAGE, CONTEXT, RUNS):
        op.execute(script)


def downgrade() -> None:
    """Drop the tables."""
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP SEQUENCE context_sequence")
