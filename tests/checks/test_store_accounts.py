"""The accounts store keeps its promises, on every engine that is reachable."""

import datetime
import hashlib
import threading
from pathlib import Path

import psycopg
import pytest

from hub.migrate import migrate
from kernel_lib.config import Secret
from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.stores.accounts import PostgresAccounts
from tests.checks.store_accounts import HASH, accounts, accounts_url, two_tenants

__all__ = ["accounts", "accounts_url", "two_tenants"]

DAY = datetime.date(2026, 11, 21)


def test_a_bundle_is_approved_by_another_person(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    strategy = accounts.submit(tenant, f"q-{tenant}", "ema_cross", b"the bundle")
    assert strategy.hash == hashlib.sha256(b"the bundle").hexdigest()
    assert strategy.status == "submitted"
    assert accounts.submit(tenant, f"q-{tenant}", "ema_cross", b"the bundle") == strategy
    with pytest.raises(Refused, match="another person") as refused:
        accounts.approve(tenant, strategy.hash, f"q-{tenant}", "paper", signature=b"s", statement=b"t")
    assert refused.value.code == "approver_is_author"
    with pytest.raises(Refused) as early:
        accounts.set_status(tenant, strategy.hash, "active")
    assert early.value.code == "not_approved"
    accounts.approve(tenant, strategy.hash, f"a-{tenant}", "paper", signature=b"s", statement=b"t")
    assert [each.status for each in accounts.strategies(tenant)] == ["approved"]
    approval = accounts.approvals(tenant, strategy.hash)[0]
    assert (approval.approver, approval.mode, approval.signature) == (f"a-{tenant}", "paper", b"s")
    with pytest.raises(Refused) as twice:
        accounts.approve(tenant, strategy.hash, f"a-{tenant}", "paper", signature=b"s", statement=b"t")
    assert twice.value.code == "already_approved"
    assert accounts.bundle(tenant, strategy.hash) == b"the bundle"


def test_a_rejected_bundle_cannot_be_approved(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    strategy = accounts.submit(tenant, f"q-{tenant}", "x", b"rejected one")
    accounts.set_status(tenant, strategy.hash, "rejected")
    with pytest.raises(Refused) as refused:
        accounts.approve(tenant, strategy.hash, f"a-{tenant}", "paper", signature=b"s", statement=b"t")
    assert refused.value.code == "strategy_closed"


def test_one_tenant_never_meets_another(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    mine, theirs = two_tenants
    canary = accounts.submit(theirs, f"q-{theirs}", "canary", b"canary bundle")
    accounts.approve(theirs, canary.hash, f"a-{theirs}", "paper", signature=b"s", statement=b"t")
    accounts.record(theirs, "somebody", "canary")
    accounts.count(theirs, "rows", 7, DAY)
    assert accounts.strategies(mine) == []
    assert accounts.strategy(mine, canary.hash) is None
    assert accounts.bundle(mine, canary.hash) is None
    assert accounts.approvals(mine, canary.hash) == []
    assert accounts.audit(mine) == []
    assert accounts.usage(mine, DAY) == {}
    assert {user.tenant for user in accounts.users(mine)} == {mine}
    with pytest.raises(Refused, match="no strategy"):
        accounts.approve(mine, canary.hash, f"a-{mine}", "paper", signature=b"s", statement=b"t")
    with pytest.raises(Refused, match="no strategy"):
        accounts.set_status(mine, canary.hash, "retired")
    with pytest.raises(Refused, match="must be a user of the tenant"):
        accounts.submit(mine, f"q-{theirs}", "x", b"y")
    kept = accounts.strategy(theirs, canary.hash)
    assert kept is not None
    assert kept.status == "approved"


def test_a_transaction_leaves_no_tenant_behind(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    # Eight threads over four connections, two tenants interleaved: each must see its own users only.
    wrong: list[str] = []

    def read(tenant: str) -> None:
        wrong.extend(user.tenant for _ in range(50) for user in accounts.users(tenant) if user.tenant != tenant)

    threads = [threading.Thread(target=read, args=(two_tenants[i % 2],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_login_finds_one_user_and_no_more(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    user = accounts.find_login(f"q-{tenant}")
    assert user is not None
    assert (user.tenant, user.role, user.password_hash) == (tenant, "quant", HASH)
    for name in ("", "nobody", "%", f"Q-{tenant}", "' or true --", "x" * 5000):
        assert accounts.find_login(name) is None


def test_a_closed_account_is_found_no_more_and_what_it_signed_stays(
    accounts: PostgresAccounts, two_tenants: tuple[str, str]
) -> None:
    mine, theirs = two_tenants
    kept = accounts.submit(mine, f"q-{mine}", "kept", b"bundle of a user who left")
    accounts.approve(mine, kept.hash, f"a-{mine}", "paper", signature=b"s", statement=b"t")
    accounts.close_user(theirs, f"q-{mine}")
    assert accounts.find_login(f"q-{mine}") is not None
    for name in (f"q-{mine}", f"a-{mine}"):
        accounts.close_user(mine, name)
        assert accounts.find_login(name) is None
    assert accounts.users(mine) == []
    assert [(each.author, each.status) for each in accounts.strategies(mine)] == [(f"q-{mine}", "approved")]
    assert [each.approver for each in accounts.approvals(mine, kept.hash)] == [f"a-{mine}"]
    with pytest.raises(Refused, match="never given twice"):
        accounts.create_user(theirs, f"q-{mine}", "quant", HASH)


def test_names_are_unique_over_the_hub(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    mine, theirs = two_tenants
    with pytest.raises(Refused) as refused:
        accounts.create_user(mine, f"q-{theirs}", "admin", HASH)
    assert refused.value.code == "user_exists"


def test_counts_add_up_and_the_trail_keeps_its_order(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    accounts.count(tenant, "rows", 3, DAY)
    accounts.count(tenant, "rows", 4, DAY)
    assert accounts.usage(tenant, DAY) == {"rows": 7}
    for number in range(3):
        accounts.record(tenant, "me", "did", {"number": number})
    assert [entry.details["number"] for entry in accounts.audit(tenant, limit=2)] == [2, 1]


def test_the_catalog_isolates_every_tenant_table(accounts_url: str) -> None:
    with psycopg.connect(accounts_url) as connection:
        loose = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'tickhub' "
            "WHERE c.relkind = 'r' AND c.relname <> 'alembic_version' AND NOT (c.relrowsecurity AND "
            "c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid) AND EXISTS "
            "(SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum = 1))"
        ).fetchall()
        assert loose == []
        keys = connection.execute(
            "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'tickhub' "
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
            "WHERE i.indisunique AND a.attname <> 'tenant_id' AND c.relname <> 'alembic_version'"
        ).fetchall()
        # The one exception: hub names are unique over all tenants.
        assert keys in ([("tickhub.users_login",)], [("users_login",)])
        leaks = connection.execute(
            "SELECT relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'tickhub' AND relkind IN ('m', 'v', 'f') UNION ALL "
            "SELECT proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname = 'tickhub' AND prosecdef"
        ).fetchall()
        assert leaks == []
        unsafe = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'tickhub%' AND (rolsuper OR rolbypassrls OR rolcreaterole)"
        ).fetchall()
        assert unsafe == []
        owned = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = 'tickhub_app')"
        ).fetchone()
        assert owned == (0,)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM audit", "UPDATE audit SET who = 'x'", "UPDATE approvals SET mode = 'mt5'", "DELETE FROM approvals",
     "UPDATE strategies SET bundle = ''", "UPDATE strategies SET author = 'x'", "DROP TABLE users",
     "ALTER TABLE users DISABLE ROW LEVEL SECURITY", "SELECT * FROM alembic_version"],
)  # fmt: skip
def test_the_app_role_cannot(accounts_url: str, statement: str) -> None:
    with psycopg.connect(accounts_url) as connection:
        connection.execute("SET ROLE tickhub_app")
        connection.execute("SET search_path TO tickhub")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_without_a_tenant_nothing_is_seen(accounts_url: str, two_tenants: tuple[str, str]) -> None:
    with psycopg.connect(accounts_url) as connection:
        for role in ("tickhub_app", "tickhub_owner"):
            connection.execute(f"SET ROLE {role}")
            for table in (
                "tenants", "users", "strategies", "approvals", "audit", "usage", "trial_batches", "trials", "findings",
                "opened_history", "hold_out_looks", "hold_out_verdicts",
            ):  # fmt: skip
                row = connection.execute(f"SELECT count(*) FROM tickhub.{table}").fetchone()
                assert row == (0,), (role, table)


def test_migrating_twice_changes_nothing(accounts_url: str) -> None:
    migrate(accounts_url)


def test_a_server_that_is_not_there_is_named_as_the_cause(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"hub\.migrate"):
        PostgresAccounts(f"postgresql://postgres@/tickhub?host={tmp_path}")


def test_a_password_hash_does_not_show(accounts: PostgresAccounts, two_tenants: tuple[str, str]) -> None:
    assert "argon2" not in repr(accounts.users(two_tenants[0]))
    assert isinstance(accounts.users(two_tenants[0])[0].password_hash, Secret)
