"""What the hub refuses to start with, and what its rights are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hub.configure
from hub.authenticator import groups_of
from hub.configure import check_isolation
from hub.demo import PEOPLE, create_demo
from hub.homes import home_directory, open_log, uid_of
from hub.passwords import check_password
from hub.proxy import check_port
from hub.roster import SERVICES, create_tokens, hub_roles, read_token
from hub.tenants import add_tenant, add_user, reset_password
from kernel_lib.config import Home, Secret, StoreUrls
from kernel_lib.errors import BadData, Misconfigured, Refused
from kernel_lib.sandbox import Capabilities
from kernel_lib.stores.accounts import PostgresAccounts, Tenant, User

WEAK = Capabilities(
    root=False, bubblewrap="", user_namespaces=False, cgroup="none", seccomp=False, reasons=["bubblewrap is missing"]
)  # fmt: skip


def test_a_machine_that_cannot_isolate_serves_one_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.configure, "capabilities", lambda: WEAK)
    assert check_isolation(1, {})
    with pytest.raises(Misconfigured, match=r"bubblewrap is missing.*TICKHUB_TRUST_ALL_USERS=yes"):
        check_isolation(2, {})
    with pytest.raises(Misconfigured):
        check_isolation(2, {"TICKHUB_TRUST_ALL_USERS": "1"})
    assert check_isolation(2, {"TICKHUB_TRUST_ALL_USERS": "yes"})


def test_no_right_reaches_beyond_the_own_tenant() -> None:
    roles = {role["name"]: role for role in hub_roles([Tenant("demo", "pro"), Tenant("other", "free")])}
    assert not any("servers" in scope for scope in roles["user"]["scopes"])
    assert set(roles["researcher"]["groups"]) == {"role:quant", "role:admin"}
    for name in ("user", "researcher", "server"):
        for scope in roles[name]["scopes"]:
            assert scope.endswith(("!user", "!server")) or scope.startswith("access:services!service="), scope
    assert roles["admin-demo"]["groups"] == ["admin:demo"]
    for scope in roles["admin-demo"]["scopes"]:
        assert scope == "admin-ui" or scope.endswith("!group=tenant:demo"), scope


def test_only_admins_are_in_the_admins_group() -> None:
    for _, name, role in PEOPLE:
        groups = groups_of(User("demo", name, role, Secret("")))
        assert ("admin:demo" in groups) == (role == "admin")


def test_tokens_are_private_and_stay(home: Home) -> None:
    create_tokens(home)
    first = {each.name: read_token(home, each.name) for each in SERVICES}
    create_tokens(home)
    assert {each.name: read_token(home, each.name) for each in SERVICES} == first
    for name in (*first, "proxy"):
        assert (home / "keys" / f"{name}.token").stat().st_mode & 0o777 == 0o600
    (home / "keys" / "api.token").write_text("short")
    with pytest.raises(Misconfigured, match="at least 32"):
        read_token(home, "api")
    with pytest.raises(Misconfigured, match="tickhub up"):
        read_token(home, "absent")


def test_a_port_of_nonsense_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match="TICKHUB_PORT"):
        check_port("203.0.113.1", 8000)


def test_demo_passwords_are_made_once_and_can_be_made_anew(stores: tuple[Home, StoreUrls]) -> None:
    home, urls = stores
    accounts = PostgresAccounts(urls.accounts)
    made = create_demo(accounts)
    assert set(made) == {"quant", "trader", "admin", "outsider"}
    assert create_demo(accounts) == {}
    user = accounts.find_login("quant")
    assert user is not None
    assert check_password(user.password_hash, made["quant"])
    accounts.close()
    done = subprocess.run(
        [sys.executable, "-m", "hub.demo", "--json", "--reset-passwords"],
        env={**os.environ, "TICKHUB_HOME": str(home.root)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    anew = json.loads(done.stdout)
    assert set(anew) == set(made)
    assert anew["quant"] != made["quant"].reveal()


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "é", "a" * 41])
def test_a_user_needs_a_plain_name(accounts: PostgresAccounts, tenants: dict[str, str], name: str) -> None:
    with pytest.raises(BadData, match="must be 1 to 40"):
        add_user(accounts, tenants["pro"], name, "quant")


def test_tenants_and_passwords_of_nobody_are_refused(accounts: PostgresAccounts, tenants: dict[str, str]) -> None:
    with pytest.raises(BadData, match="tier must be one of"):
        add_tenant(accounts, "x", "platinum")
    with pytest.raises(BadData, match="tenant's name"):
        add_tenant(accounts, "a/b", "free")
    with pytest.raises(Refused, match="has no user"):
        reset_password(accounts, tenants["pro"], f"{tenants['free']}-quant")


def test_a_home_is_made_whole_once_and_never_written_again(home: Home, tmp_path: Path) -> None:
    place = home_directory(home, "demo", "quant", 3)
    assert place.stat().st_mode & 0o777 == 0o700
    lessons = sorted(path.stem for path in (Path(hub.__file__).parents[1] / "notebooks" / "guide").glob("*.py"))
    assert sorted(path.name for path in (place / "guide").iterdir()) == [f"{name}.ipynb" for name in lessons]
    (tmp_path / "outside").mkdir()
    (place / "guide").rename(place / "mine")
    (place / "guide").symlink_to(tmp_path / "outside")
    assert home_directory(home, "demo", "quant", 3) == place
    assert list((tmp_path / "outside").iterdir()) == []
    assert [path.name for path in place.parent.iterdir()] == ["quant"]


def test_a_servers_log_follows_no_link(home: Home, tmp_path: Path) -> None:
    place = home_directory(home, "demo", "quant", 3)
    outside = tmp_path / "outside"
    outside.write_text("kept")
    (place / ".server.log").symlink_to(outside)
    with os.fdopen(open_log(place, uid_of(3)), "w") as log:
        log.write("hello")
    assert outside.read_text() == "kept"
    assert (place / ".server.log").read_text() == "hello"
    (place / ".server.log").unlink()
    (place / ".server.log").mkdir()
    with os.fdopen(open_log(place, uid_of(3)), "w") as log:
        log.write("nowhere")
