"""A user who left: logs in no more, while what they submitted and approved stays on record.

Deleting the row would take the user's strategies and approvals along; the name and the number are never given again.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

_LOGIN = "name = nullif(current_setting('tickhub.login', true), '')"


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN closed_at timestamptz")
    op.execute("GRANT UPDATE (closed_at) ON users TO tickhub_app")
    op.execute("DROP POLICY login ON users")
    op.execute(f"CREATE POLICY login ON users FOR SELECT USING ({_LOGIN} AND closed_at IS NULL)")


def downgrade() -> None:
    op.execute("DROP POLICY login ON users")
    op.execute(f"CREATE POLICY login ON users FOR SELECT USING ({_LOGIN})")
    op.execute("ALTER TABLE users DROP COLUMN closed_at")
