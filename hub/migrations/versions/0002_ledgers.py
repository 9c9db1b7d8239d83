"""Ledgers that nobody can shorten: trials, what the platform found of a strategy, and the sealed hold-out.

The app may add to each of them and change none, except where the mark of opened history moves on; a trigger sees to it
that it only moves forward.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = """
CREATE TABLE trial_batches (
    tenant_id text NOT NULL REFERENCES tenants ON DELETE CASCADE,
    batch_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('replay', 'sweep', 'walkforward', 'tuning', 'charge')),
    hypothesis text NOT NULL CHECK (length(hypothesis) BETWEEN 1 AND 200),
    strategy text NOT NULL CHECK (length(strategy) BETWEEN 1 AND 200),
    symbol text NOT NULL CHECK (length(symbol) <= 64),
    n_runs integer NOT NULL CHECK (n_runs >= 0),
    -- Trials that the hypothesis, and the instrument, had not seen before; sums over the former's Sharpe ratios.
    n_new integer NOT NULL CHECK (n_new >= 0),
    n_new_on_instrument integer NOT NULL CHECK (n_new_on_instrument >= 0),
    n_sharpes integer NOT NULL,
    sharpe_sum double precision NOT NULL,
    sharpe_squares double precision NOT NULL,
    seconds double precision NOT NULL CHECK (seconds >= 0),
    PRIMARY KEY (tenant_id, batch_id)
);
CREATE INDEX trial_batches_hypothesis ON trial_batches (tenant_id, symbol, hypothesis);
-- The empty hypothesis stands for any on the instrument.
CREATE TABLE trials (
    tenant_id text NOT NULL REFERENCES tenants ON DELETE CASCADE,
    symbol text NOT NULL,
    hypothesis text NOT NULL,
    trial bytea NOT NULL CHECK (length(trial) = 16),
    PRIMARY KEY (tenant_id, symbol, hypothesis, trial)
);
CREATE TABLE findings (
    tenant_id text NOT NULL,
    hash text NOT NULL,
    name text NOT NULL CHECK (name ~ '^[a-z_]{1,40}$'),
    content jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hash, name),
    FOREIGN KEY (tenant_id, hash) REFERENCES strategies ON DELETE CASCADE
);
CREATE TABLE opened_history (
    tenant_id text NOT NULL REFERENCES tenants ON DELETE CASCADE,
    symbol text NOT NULL,
    until_ns bigint NOT NULL,
    PRIMARY KEY (tenant_id, symbol)
);
CREATE TABLE hold_out_looks (
    tenant_id text NOT NULL,
    hash text NOT NULL,
    symbol text NOT NULL,
    who text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    begin_ns bigint NOT NULL,
    end_ns bigint NOT NULL CHECK (end_ns > begin_ns),
    n_look integer NOT NULL CHECK (n_look >= 1),
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, hash) REFERENCES strategies ON DELETE CASCADE
);
CREATE TABLE hold_out_verdicts (
    tenant_id text NOT NULL,
    hash text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    verdict text NOT NULL CHECK (verdict IN ('pass', 'fail', 'inconclusive')),
    content jsonb NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, hash) REFERENCES hold_out_looks ON DELETE CASCADE
);
"""
_RULES = """
CREATE FUNCTION check_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.until_ns < OLD.until_ns THEN
        RAISE EXCEPTION 'opened history cannot be sealed again' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'opened_only_moves_forward';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER opened_only_moves_forward BEFORE UPDATE ON opened_history
    FOR EACH ROW EXECUTE FUNCTION check_opened();
"""
_GRANTS = {
    "trial_batches": "SELECT, INSERT",
    "trials": "SELECT, INSERT",
    "findings": "SELECT, INSERT",
    "opened_history": "SELECT, INSERT, UPDATE (until_ns)",
    "hold_out_looks": "SELECT, INSERT",
    "hold_out_verdicts": "SELECT, INSERT",
}
_OURS = "tenant_id = nullif(current_setting('tickhub.tenant', true), '')"


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_RULES)
    for table, rights in _GRANTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_tenant ON {table} USING ({_OURS}) WITH CHECK ({_OURS})")
        op.execute(f"REVOKE ALL ON {table} FROM PUBLIC")
        op.execute(f"GRANT {rights} ON {table} TO tickhub_app")
    op.execute("REVOKE ALL ON FUNCTION check_opened() FROM PUBLIC")


def downgrade() -> None:
    op.execute(f"DROP TABLE {', '.join(reversed(_GRANTS))}")
    op.execute("DROP FUNCTION check_opened()")
