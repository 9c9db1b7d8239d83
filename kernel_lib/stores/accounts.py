"""Accounts: tenants, their users, submitted strategies and approvals, the audit trail and metered use.

:class:`Accounts` is the port, :class:`PostgresAccounts` the adapter. Every method that touches a tenant's rows
runs in one transaction that names the tenant for its own length; PostgreSQL's row-level security does the rest,
also where a query here would forget its ``WHERE``.
"""

import contextlib
import datetime
import hashlib
from collections.abc import Iterator
from typing import Any, Literal, Protocol, cast

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool, PoolTimeout

from kernel_lib.config import Secret
from kernel_lib.errors import Misconfigured, Refused, Transient

__all__ = [
    "Accounts",
    "Approval",
    "AuditEntry",
    "PostgresAccounts",
    "Role",
    "Strategy",
    "Tenant",
    "User",
]

Role = Literal["quant", "trader", "admin"]
Status = Literal["submitted", "approved", "active", "rejected", "retired"]
Connection = psycopg.Connection[dict[str, Any]]


class Tenant(msgspec.Struct, frozen=True):
    """A customer: a group of users who share data, strategies and a tier."""

    name: str
    tier: str


class User(msgspec.Struct, frozen=True):
    """One person of one tenant; names and numbers are unique over the whole hub, a number is never given again."""

    tenant: str
    name: str
    role: Role
    password_hash: Secret
    number: int = 0


class Strategy(msgspec.Struct, frozen=True):
    """A submitted bundle without its bytes; ``hash`` is the SHA-256 of the bundle, in hex."""

    hash: str
    name: str
    author: str
    status: Status
    submitted_at: datetime.datetime


class Approval(msgspec.Struct, frozen=True):
    """One person's signed consent to run one bundle in one mode."""

    hash: str
    approver: str
    mode: str
    signature: bytes
    signed_statement: bytes
    at: datetime.datetime


class AuditEntry(msgspec.Struct, frozen=True):
    """Who did what, when; rows are only ever added."""

    at: datetime.datetime
    who: str
    what: str
    details: dict[str, Any]


class Accounts(Protocol):
    """What the hub and its services ask of the accounts store."""

    def tenants(self) -> list[Tenant]: ...
    def tenant(self, tenant: str) -> Tenant | None: ...
    def create_tenant(self, name: str, tier: str) -> None: ...
    def set_tier(self, tenant: str, tier: str) -> None: ...
    def find_login(self, name: str) -> User | None: ...
    def users(self, tenant: str) -> list[User]: ...
    def create_user(self, tenant: str, name: str, role: Role, password_hash: Secret) -> None: ...
    def set_password(self, tenant: str, name: str, password_hash: Secret) -> None: ...
    def close_user(self, tenant: str, name: str) -> None: ...
    def submit(self, tenant: str, author: str, name: str, bundle: bytes) -> Strategy: ...
    def strategies(self, tenant: str) -> list[Strategy]: ...
    def strategy(self, tenant: str, bundle_hash: str) -> Strategy | None: ...
    def bundle(self, tenant: str, bundle_hash: str) -> bytes | None: ...
    def approve(
        self, tenant: str, bundle_hash: str, approver: str, mode: str, *, signature: bytes, statement: bytes
    ) -> None: ...
    def set_status(self, tenant: str, bundle_hash: str, status: Status) -> None: ...
    def approvals(self, tenant: str, bundle_hash: str) -> list[Approval]: ...
    def record(self, tenant: str, who: str, what: str, details: dict[str, Any] | None = None) -> None: ...
    def audit(self, tenant: str, limit: int = 100) -> list[AuditEntry]: ...
    def count(self, tenant: str, metric: str, amount: int, day: datetime.date) -> None: ...
    def usage(self, tenant: str, day: datetime.date) -> dict[str, int]: ...
    def close(self) -> None: ...


class PostgresAccounts:
    """The accounts store on PostgreSQL.

    Parameters
    ----------
    url : str
        ``postgresql://...``; whatever login it names, every statement runs as ``tickhub_app``.
    connections : int
        Most connections held at once.

    Raises
    ------
    Misconfigured
        The server cannot be reached, is not migrated, or the role could pass row-level security.
    """

    def __init__(self, url: str, *, connections: int = 4) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            url, min_size=1, max_size=connections, open=False, configure=_become_app, timeout=10, name="accounts",
            check=ConnectionPool.check_connection, connection_class=psycopg.Connection[dict[str, Any]],
            kwargs={"row_factory": dict_row, "options": "-c statement_timeout=10000", "connect_timeout": 5},
        )  # fmt: skip
        self._refuse_unsafe_role(url)
        self._pool.open()

    @staticmethod
    def _refuse_unsafe_role(url: str) -> None:
        # Asked on a connection of its own: the pool would hide the reason behind a time-out.
        try:
            with psycopg.connect(url, connect_timeout=5, row_factory=dict_row) as connection:
                _become_app(connection)
                row = connection.execute(
                    "SELECT rolsuper OR rolbypassrls AS unsafe FROM pg_roles WHERE rolname = current_user"
                ).fetchone()
        except psycopg.Error as error:
            raise Misconfigured(
                f"the accounts database must be up and migrated, it answered: {error}; run 'python -m hub.migrate'"
            ) from error
        if row is None or row["unsafe"]:
            raise Misconfigured("tickhub_app must not be a superuser nor pass row-level security; alter the role")

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    @contextlib.contextmanager
    def transaction(self, **settings: str) -> Iterator[Connection]:
        """Open one transaction in which ``tickhub.<name>`` is set; gone at its end, so that no borrower inherits it.

        The stores beside this one use it too.
        """
        try:
            with self._pool.connection() as connection:
                for name, text in settings.items():
                    connection.execute("SELECT set_config(%s, %s, true)", (f"tickhub.{name}", text))
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Transient(f"the accounts database must answer, it said: {error}") from error

    # Tenants and users

    def tenants(self) -> list[Tenant]:
        """List every tenant of the platform."""
        with self.transaction(listing="tenants") as connection:
            rows = connection.execute("SELECT tenant_id, tier FROM tenants ORDER BY tenant_id").fetchall()
        return [Tenant(row["tenant_id"], row["tier"]) for row in rows]

    def tenant(self, tenant: str) -> Tenant | None:
        """Look one tenant up."""
        with self.transaction(tenant=tenant) as connection:
            row = connection.execute("SELECT tenant_id, tier FROM tenants").fetchone()
        return Tenant(row["tenant_id"], row["tier"]) if row else None

    def create_tenant(self, name: str, tier: str) -> None:
        """Add a tenant; one that exists keeps its tier."""
        with self.transaction(tenant=name) as connection:
            connection.execute(
                "INSERT INTO tenants (tenant_id, tier) VALUES (%s, %s) ON CONFLICT (tenant_id) DO NOTHING", (name, tier)
            )

    def set_tier(self, tenant: str, tier: str) -> None:
        """Move a tenant to another tier."""
        with self.transaction(tenant=tenant) as connection:
            connection.execute("UPDATE tenants SET tier = %s", (tier,))

    def find_login(self, name: str) -> User | None:
        """Find a user by hub name, before the tenant is known; sees that one row, and none once it is closed."""
        with self.transaction(login=name) as connection:
            row = connection.execute("SELECT tenant_id, name, role, password_hash, number FROM users").fetchone()
        return _user(row) if row else None

    def users(self, tenant: str) -> list[User]:
        """List a tenant's users, without those whose account is closed."""
        with self.transaction(tenant=tenant) as connection:
            rows = connection.execute(
                "SELECT tenant_id, name, role, password_hash, number FROM users WHERE closed_at IS NULL ORDER BY name"
            ).fetchall()
        return [_user(row) for row in rows]

    def create_user(self, tenant: str, name: str, role: Role, password_hash: Secret) -> None:
        """Add a user.

        Raises
        ------
        Refused
            Code ``user_exists``: the name is taken, in this tenant or another.
        """
        try:
            with self.transaction(tenant=tenant) as connection:
                connection.execute(
                    "INSERT INTO users (tenant_id, name, role, password_hash) VALUES (%s, %s, %s, %s)",
                    (tenant, name, role, password_hash.reveal()),
                )
        except psycopg.errors.UniqueViolation:
            raise Refused(
                "user_exists",
                f"user names must be unique on the hub and are never given twice, {name!r} is taken; choose another",
            ) from None

    def set_password(self, tenant: str, name: str, password_hash: Secret) -> None:
        """Replace a user's password hash."""
        with self.transaction(tenant=tenant) as connection:
            connection.execute("UPDATE users SET password_hash = %s WHERE name = %s", (password_hash.reveal(), name))

    def close_user(self, tenant: str, name: str) -> None:
        """End a user's account: no login finds it again, its strategies and approvals stay, its name stays taken."""
        with self.transaction(tenant=tenant) as connection:
            connection.execute("UPDATE users SET closed_at = now() WHERE name = %s AND closed_at IS NULL", (name,))

    # Strategies

    def submit(self, tenant: str, author: str, name: str, bundle: bytes) -> Strategy:
        """Keep a bundle under its SHA-256; the same bytes again are the same row.

        Raises
        ------
        Refused
            Code ``unknown_user``: the author is not of this tenant.
        """
        digest = hashlib.sha256(bundle).hexdigest()
        try:
            with self.transaction(tenant=tenant) as connection:
                connection.execute(
                    "INSERT INTO strategies (tenant_id, hash, name, author, bundle) VALUES (%s, %s, %s, %s, %s) "
                    "ON CONFLICT (tenant_id, hash) DO NOTHING",
                    (tenant, digest, name, author, bundle),
                )
                row = connection.execute(f"{_STRATEGY} WHERE hash = %s", (digest,)).fetchone()
        except psycopg.errors.ForeignKeyViolation:
            raise Refused("unknown_user", f"an author must be a user of the tenant, {author!r} is not") from None
        return Strategy(**cast("dict[str, Any]", row))

    def strategies(self, tenant: str) -> list[Strategy]:
        """List a tenant's strategies, newest first."""
        with self.transaction(tenant=tenant) as connection:
            rows = connection.execute(f"{_STRATEGY} ORDER BY submitted_at DESC, hash").fetchall()
        return [Strategy(**row) for row in rows]

    def strategy(self, tenant: str, bundle_hash: str) -> Strategy | None:
        """Look one strategy up by its hash."""
        with self.transaction(tenant=tenant) as connection:
            row = connection.execute(f"{_STRATEGY} WHERE hash = %s", (bundle_hash,)).fetchone()
        return Strategy(**row) if row else None

    def bundle(self, tenant: str, bundle_hash: str) -> bytes | None:
        """Give a strategy's bytes as they were submitted."""
        with self.transaction(tenant=tenant) as connection:
            row = connection.execute("SELECT bundle FROM strategies WHERE hash = %s", (bundle_hash,)).fetchone()
        return bytes(row["bundle"]) if row else None

    def approve(
        self, tenant: str, bundle_hash: str, approver: str, mode: str, *, signature: bytes, statement: bytes
    ) -> None:
        """Keep a signed approval and mark the strategy approved, both or neither.

        Raises
        ------
        Refused
            Code ``approver_is_author``, ``strategy_closed`` (rejected or retired), ``already_approved`` or
            ``unknown_strategy``.
        """
        try:
            with self.transaction(tenant=tenant) as connection:
                connection.execute(
                    "INSERT INTO approvals (tenant_id, hash, approver, mode, signature, signed_statement) "
                    "VALUES (%s, %s, %s, %s, %s, %s)",
                    (tenant, bundle_hash, approver, mode, signature, statement),
                )
                connection.execute(
                    "UPDATE strategies SET status = 'approved' WHERE hash = %s AND status = 'submitted'", (bundle_hash,)
                )
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name == "approver_is_not_author":
                raise Refused("approver_is_author", "the approver must be another person than the author") from None
            if error.diag.constraint_name == "strategy_is_open":
                raise Refused("strategy_closed", "a rejected or retired strategy must be submitted anew") from None
            raise
        except psycopg.errors.UniqueViolation:
            raise Refused("already_approved", f"{approver} has approved this strategy for {mode} before") from None
        except psycopg.errors.ForeignKeyViolation:
            raise Refused("unknown_strategy", f"no strategy {bundle_hash[:12]} of this tenant") from None

    def set_status(self, tenant: str, bundle_hash: str, status: Status) -> None:
        """Move a strategy on; the database refuses ``approved`` and ``active`` without an approval.

        Raises
        ------
        Refused
            Code ``not_approved`` or ``unknown_strategy``.
        """
        try:
            with self.transaction(tenant=tenant) as connection:
                done = connection.execute("UPDATE strategies SET status = %s WHERE hash = %s", (status, bundle_hash))
        except psycopg.errors.CheckViolation:
            raise Refused("not_approved", f"a strategy must be approved before it is {status}") from None
        if done.rowcount == 0:
            raise Refused("unknown_strategy", f"no strategy {bundle_hash[:12]} of this tenant")

    def approvals(self, tenant: str, bundle_hash: str) -> list[Approval]:
        """List the approvals of one strategy, oldest first."""
        with self.transaction(tenant=tenant) as connection:
            rows = connection.execute(
                "SELECT hash, approver, mode, signature, signed_statement, at FROM approvals WHERE hash = %s "
                "ORDER BY at, approver",
                (bundle_hash,),
            ).fetchall()
        return [Approval(**row) for row in rows]

    # Audit and usage

    def record(self, tenant: str, who: str, what: str, details: dict[str, Any] | None = None) -> None:
        """Add one line to the audit trail."""
        with self.transaction(tenant=tenant) as connection:
            connection.execute(
                "INSERT INTO audit (tenant_id, who, what, details) VALUES (%s, %s, %s, %s)",
                (tenant, who, what, Jsonb(details or {})),
            )

    def audit(self, tenant: str, limit: int = 100) -> list[AuditEntry]:
        """Read the newest lines of the audit trail, newest first."""
        with self.transaction(tenant=tenant) as connection:
            rows = connection.execute(
                "SELECT at, who, what, details FROM audit ORDER BY audit_id DESC LIMIT %s", (limit,)
            ).fetchall()
        return [AuditEntry(**row) for row in rows]

    def count(self, tenant: str, metric: str, amount: int, day: datetime.date) -> None:
        """Add to a metered count of one day."""
        with self.transaction(tenant=tenant) as connection:
            connection.execute(
                "INSERT INTO usage (tenant_id, day, metric, count) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT (tenant_id, day, metric) DO UPDATE SET count = usage.count + excluded.count",
                (tenant, day, metric, amount),
            )

    def usage(self, tenant: str, day: datetime.date) -> dict[str, int]:
        """Read the metered counts of one day."""
        with self.transaction(tenant=tenant) as connection:
            rows = connection.execute("SELECT metric, count FROM usage WHERE day = %s", (day,)).fetchall()
        return {row["metric"]: row["count"] for row in rows}


_STRATEGY = "SELECT hash, name, author, status, submitted_at FROM strategies"


def _become_app(connection: psycopg.Connection[Any]) -> None:
    connection.execute("SET ROLE tickhub_app")
    connection.execute("SET search_path TO tickhub")
    connection.commit()


def _user(row: dict[str, Any]) -> User:
    return User(row["tenant_id"], row["name"], row["role"], Secret(row["password_hash"]), row["number"])
