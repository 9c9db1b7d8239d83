"""``tickhub user``: people are added, listed, given new passwords and shut out, and what cannot be is said plainly."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from hub.demo import create_demo
from hub.passwords import check_password
from kernel_lib.config import Home, Secret, StoreUrls
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.wire import Streams

pytestmark = pytest.mark.usefixtures("accounts")


def run(home: Home | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {key: text for key, text in os.environ.items() if not key.startswith("TICKHUB")}
    root = str(home.root if isinstance(home, Home) else home)
    return subprocess.run(
        [sys.executable, "-m", "kernel_lib.cli", "user", *arguments], env=env | {"TICKHUB_HOME": root},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_user_is_added_listed_renewed_and_removed(
    stores: tuple[Home, StoreUrls], accounts: PostgresAccounts, tenants: dict[str, str]
) -> None:
    home, tenant, name = stores[0], tenants["pro"], f"u{uuid.uuid4().hex[:8]}"
    added = json.loads(run(home, "add", name, "--tenant", tenant, "--role", "quant", "--json").stdout)
    user = accounts.find_login(name)
    assert user is not None
    assert (user.tenant, user.role) == (tenant, "quant")
    assert check_password(user.password_hash, Secret(added["password"]))

    listed = json.loads(run(home, "list", "--tenant", tenant, "--json").stdout)["users"]
    assert {"user": name, "tenant": tenant, "role": "quant", "tier": "pro"} in listed
    assert {each["tenant"] for each in listed} == {tenant}

    shown = run(home, "reset-password", name).stdout
    user = accounts.find_login(name)
    assert user is not None
    assert check_password(user.password_hash, Secret(shown.split()[-1]))
    assert not check_password(user.password_hash, Secret(added["password"]))

    assert run(home, "remove", name).returncode == 0
    assert accounts.find_login(name) is None
    assert name not in run(home, "list").stdout
    assert [each.what for each in accounts.audit(tenant)] == ["user_removed", "password_reset", "user_added"]
    again = run(home, "add", name, "--tenant", tenant, "--role", "quant")
    assert again.returncode == 1
    assert "[user_exists]" in again.stderr


def test_a_tier_makes_the_tenant(stores: tuple[Home, StoreUrls], accounts: PostgresAccounts) -> None:
    tenant = f"t{uuid.uuid4().hex[:8]}"
    done = run(stores[0], "add", f"{tenant}-a", "--tenant", tenant, "--role", "admin", "--tier", "pro")
    made = accounts.tenant(tenant)
    if done.returncode:  # this machine keeps no two tenants apart
        assert "must be kept apart" in done.stderr
        assert made is None
        return
    assert made is not None
    assert made.tier == "pro"
    assert f"Tenant {tenant} (pro) is new" in done.stdout
    other = run(stores[0], "add", f"{tenant}-b", "--tenant", tenant, "--role", "quant", "--tier", "free")
    assert "exists with tier pro" in other.stderr
    assert Streams(tenant)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Ann", "--tenant", "TENANT", "--role", "quant"), "must be 1 to 40 of a-z"),
        (("add", "TENANT-quant", "--tenant", "TENANT", "--role", "trader"), "[user_exists]"),
        (("add", "ann", "--tenant", "nowhere", "--role", "quant"), "there is no tenant 'nowhere', there are "),
        (("add", "ann", "--tenant", "TENANT", "--role", "boss"), "'boss' is not one of 'quant', 'trader', 'admin'"),
        (("add", "ann", "--tenant", "a/b", "--role", "quant", "--tier", "free"), "a/b"),
        (("reset-password", "nobody"), "there is no user 'nobody'"),
        (("remove", "nobody"), "there is no user 'nobody'"),
        (("list", "--tenant", "nowhere"), "there is no tenant 'nowhere'"),
    ],
)
def test_what_cannot_be_is_said(
    stores: tuple[Home, StoreUrls], tenants: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    done = run(stores[0], *(each.replace("TENANT", tenants["pro"]) for each in arguments))
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_platform_that_is_down_is_named_with_what_starts_it(tmp_path: Path) -> None:
    done = run(tmp_path / "h", "list")
    assert done.returncode == 1
    assert "run 'tickhub up' first" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_removed_demo_user_stays_removed_when_passwords_are_made_anew(
    stores: tuple[Home, StoreUrls], accounts: PostgresAccounts, tenants: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, stayed = f"u{uuid.uuid4().hex[:8]}", f"u{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr("hub.demo.TENANTS", {tenants["pro"]: "pro"})
    monkeypatch.setattr("hub.demo.PEOPLE", tuple((tenants["pro"], name, "quant") for name in (left, stayed)))
    assert set(create_demo(accounts)) == {left, stayed}
    assert run(stores[0], "remove", left).returncode == 0
    assert set(create_demo(accounts, reset_passwords=True)) == {stayed}
    assert accounts.find_login(left) is None
