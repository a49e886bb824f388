"""Training: runs, jobs, models, deployments, what is known of their performance, and the profiles that are due."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JOBS = """
CREATE TABLE training_runs (
    run_id varchar(200) PRIMARY KEY,
    ordinal bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    source text NOT NULL,
    feature_set varchar(64) NOT NULL,
    reason text,
    requested_at timestamptz,
    filed_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz
);
CREATE INDEX training_runs_unsettled ON training_runs (ordinal) WHERE settled_at IS NULL;

CREATE TABLE training_jobs (
    job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id varchar(200) NOT NULL REFERENCES training_runs,
    ticker varchar(32) NOT NULL,
    kind varchar(40) NOT NULL,
    feature_set varchar(64) NOT NULL,
    state varchar(10) NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    stage varchar(20) NOT NULL DEFAULT 'queued',
    progress double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    attempt integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    lease_until timestamptz CHECK ((lease_until IS NOT NULL) = (state = 'running')),
    worker text,
    reason text,
    error text,
    model_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    UNIQUE (run_id, ticker, kind, feature_set)
);
CREATE INDEX training_jobs_open ON training_jobs (run_id, ticker) WHERE state IN ('queued', 'running');
"""

# Each deployment follows one other at most: of two that were decided on the same ground, one fails.
MODELS = """
CREATE TABLE models (
    model_id text PRIMARY KEY,
    ticker varchar(32) NOT NULL,
    kind varchar(40) NOT NULL,
    version integer NOT NULL,
    digest varchar(64) NOT NULL,
    run_id varchar(200) NOT NULL REFERENCES training_runs,
    feature_set varchar(64) NOT NULL,
    horizon_minutes integer NOT NULL,
    verdict varchar(20) NOT NULL,
    verdict_final boolean NOT NULL,
    metrics jsonb NOT NULL,
    seconds jsonb NOT NULL,
    trained_from timestamptz NOT NULL,
    trained_to timestamptz NOT NULL,
    rows bigint NOT NULL,
    simulated boolean NOT NULL CHECK (simulated = (ticker LIKE 'SIM.%')),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (ticker, kind, version),
    UNIQUE (run_id, ticker, kind, feature_set)
);

CREATE TABLE deployments (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticker varchar(32) NOT NULL,
    kind varchar(40) NOT NULL,
    model_id text NOT NULL REFERENCES models,
    previous bigint REFERENCES deployments,
    event varchar(20) NOT NULL CHECK (event IN ('deployed', 'rolled_back', 'retired')),
    verdict varchar(20) NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (ticker, kind, previous)
);
CREATE INDEX deployments_in_force ON deployments (ticker, kind, sequence DESC);

CREATE TABLE model_performance (
    model_id text NOT NULL REFERENCES models,
    day date NOT NULL,
    predictions bigint NOT NULL,
    loss double precision,
    baseline_loss double precision,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model_id, day)
);
"""

PROFILES = """
CREATE TABLE ticker_profiles (
    ticker varchar(32) PRIMARY KEY,
    run_id varchar(200) NOT NULL,
    statistics jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed bigint NOT NULL DEFAULT 1,
    written bigint NOT NULL DEFAULT 0
);
CREATE INDEX ticker_profiles_due ON ticker_profiles (ticker) WHERE written < changed;
"""

TABLES = ("ticker_profiles", "model_performance", "deployments", "models", "training_jobs", "training_runs")


def upgrade() -> None:
    """Make the tables."""
    for script in (JOBS, MODELS, PROFILES):
        op.execute(script)


def downgrade() -> None:
    """Drop the tables."""
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
