"""Tenants, users, strategies, approvals, audit and usage, isolated by row from the first table on.

Every table starts its keys with ``tenant_id``, has forced row-level security, and one policy: the row's tenant is
the one that the transaction set. Two narrow openings are named in the policies themselves: a login looks up one
user by name before the tenant is known, and the platform lists its tenants.
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE tenants (
    tenant_id text PRIMARY KEY CHECK (tenant_id ~ '^[a-zA-Z0-9_-]{1,40}$'),
    tier text NOT NULL CHECK (tier IN ('free', 'pro', 'enterprise')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE users (
    tenant_id text NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,39}$'),
    -- The user's uid inside sandboxes is derived from it; never given twice.
    number integer GENERATED ALWAYS AS IDENTITY,
    role text NOT NULL CHECK (role IN ('quant', 'trader', 'admin')),
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);
CREATE UNIQUE INDEX users_login ON users (name);
CREATE TABLE strategies (
    tenant_id text NOT NULL,
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    author text NOT NULL,
    bundle bytea NOT NULL,
    status text NOT NULL DEFAULT 'submitted'
        CHECK (status IN ('submitted', 'approved', 'active', 'rejected', 'retired')),
    submitted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, author) REFERENCES users ON DELETE CASCADE
);
CREATE TABLE approvals (
    tenant_id text NOT NULL,
    hash text NOT NULL,
    approver text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('paper', 'mt5')),
    signature bytea NOT NULL,
    signed_statement bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, hash, approver, mode),
    FOREIGN KEY (tenant_id, hash) REFERENCES strategies ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, approver) REFERENCES users ON DELETE CASCADE
);
CREATE TABLE audit (
    tenant_id text NOT NULL REFERENCES tenants ON DELETE CASCADE,
    audit_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    what text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, audit_id)
);
CREATE TABLE usage (
    tenant_id text NOT NULL REFERENCES tenants ON DELETE CASCADE,
    day date NOT NULL,
    metric text NOT NULL CHECK (length(metric) BETWEEN 1 AND 64),
    count bigint NOT NULL CHECK (count >= 0),
    PRIMARY KEY (tenant_id, day, metric)
);
"""

# Maker and checker are different people in the database as well, whatever the api believes.
_RULES = """
CREATE FUNCTION check_approver() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    maker text;
    standing text;
BEGIN
    SELECT author, status INTO maker, standing FROM tickhub.strategies
        WHERE tenant_id = NEW.tenant_id AND hash = NEW.hash;
    IF maker = NEW.approver THEN
        RAISE EXCEPTION 'the approver must not be the author' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'approver_is_not_author';
    END IF;
    IF standing IN ('rejected', 'retired') THEN
        RAISE EXCEPTION 'a % strategy must be submitted anew', standing USING ERRCODE = 'check_violation',
            CONSTRAINT = 'strategy_is_open';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approver_is_not_author BEFORE INSERT OR UPDATE ON approvals
    FOR EACH ROW EXECUTE FUNCTION check_approver();
CREATE FUNCTION check_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status IN ('approved', 'active') AND NOT EXISTS (
        SELECT 1 FROM tickhub.approvals WHERE tenant_id = NEW.tenant_id AND hash = NEW.hash
    ) THEN
        RAISE EXCEPTION 'an approval must come first' USING ERRCODE = 'check_violation',
            CONSTRAINT = 'approval_comes_first';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_comes_first BEFORE INSERT OR UPDATE ON strategies
    FOR EACH ROW EXECUTE FUNCTION check_status();
"""

_GRANTS = {
    "tenants": "SELECT, INSERT, UPDATE (tier)",
    "users": "SELECT, INSERT, DELETE, UPDATE (role, password_hash)",
    "strategies": "SELECT, INSERT, UPDATE (status)",
    "approvals": "SELECT, INSERT",
    "audit": "SELECT, INSERT",
    "usage": "SELECT, INSERT, UPDATE (count)",
}
_OURS = "tenant_id = nullif(current_setting('tickhub.tenant', true), '')"
_LISTING = "current_setting('tickhub.listing', true) = 'tenants'"
_LOGIN = "name = nullif(current_setting('tickhub.login', true), '')"


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_RULES)
    for table, rights in _GRANTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_tenant ON {table} USING ({_OURS}) WITH CHECK ({_OURS})")
        op.execute(f"REVOKE ALL ON {table} FROM PUBLIC")
        op.execute(f"GRANT {rights} ON {table} TO tickhub_app")
    op.execute(f"CREATE POLICY listing ON tenants FOR SELECT USING ({_LISTING})")
    op.execute(f"CREATE POLICY login ON users FOR SELECT USING ({_LOGIN})")
    op.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tickhub FROM PUBLIC")


def downgrade() -> None:
    op.execute("DROP TABLE usage, audit, approvals, strategies, users, tenants")
    op.execute("DROP FUNCTION check_approver(), check_status()")
