"""``tickhub user``: the operator adds people while the platform is up; whoever was added can log in at once.

Only whoever may read the platform's home reaches the accounts, so nothing asks for a password here.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any, cast, get_args

import click

from hub.tenants import add_tenant, add_user, check_user_name, remove_user, reset_password
from kernel_lib.config import Home, Ports, StoreUrls
from kernel_lib.errors import Misconfigured, Refused, TickhubError
from kernel_lib.stores.accounts import Accounts, PostgresAccounts, Role, User
from kernel_lib.tiers import TIERS

__all__ = ["main"]

_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def _user() -> None:
    """Add, list and remove users, and give them new passwords, while the platform is up.

    A password is made at random, shown once, and stored only as a hash.
    """


@_user.command()
@click.argument("name")
@click.option("--tenant", required=True, help="The user's tenant; a new one needs --tier.")
@click.option("--role", required=True, type=click.Choice(get_args(Role)), help="What the user does there.")
@click.option("--tier", type=click.Choice(list(TIERS)), help="Make the tenant, with this tier.")
@_json
def add(name: str, tenant: str, role: str, tier: str | None, as_json: bool) -> None:
    """Add user NAME to a tenant, and show the password once."""
    check_user_name(name)
    with _accounts() as accounts:
        made = _tenant(accounts, tenant, tier)
        password = add_user(accounts, tenant, name, cast("Role", role)).reveal()
    told: dict[str, Any] = {"user": name, "tenant": tenant, "role": role, "password": password, "made_tenant": made}
    ports = Ports.from_environ(os.environ)
    lines = [f"{name} ({role} of {tenant}) can log in now at http://{ports.bind}:{ports.hub}/ with the password",
             f"  {password}", "shown this once, and stored only as a hash."]  # fmt: skip
    if made:
        lines.append(f"Tenant {tenant} ({tier}) is new: its admins see the hub's page of servers after its next start.")
    _tell(told, lines, as_json)


@_user.command("list")
@click.option("--tenant", help="Only this tenant.")
@_json
def list_users(tenant: str | None, as_json: bool) -> None:
    """List tenants, their tiers and their users."""
    with _accounts() as accounts:
        if tenant is not None:
            _require_tenant(accounts, tenant)
        rows = [
            {"user": user.name, "tenant": each.name, "role": user.role, "tier": each.tier}
            for each in accounts.tenants()
            if tenant in (None, each.name)
            for user in accounts.users(each.name)
        ]
    lines = [f"{row['user']:<24}{row['tenant']:<24}{row['role']:<8}{row['tier']}" for row in rows]
    _tell({"users": rows}, lines or ["There are no users."], as_json)


@_user.command("reset-password")
@click.argument("name")
@_json
def new_password(name: str, as_json: bool) -> None:
    """Give user NAME a new password, and show it once."""
    with _accounts() as accounts:
        user = _find(accounts, name)
        password = reset_password(accounts, user.tenant, name).reveal()
    lines = [f"The new password of {name}, shown this once:", f"  {password}"]
    _tell({"user": name, "tenant": user.tenant, "password": password}, lines, as_json)


@_user.command()
@click.argument("name")
@_json
def remove(name: str, as_json: bool) -> None:
    """Shut user NAME out: no login from now on, sessions and tokens end within five minutes.

    Strategies, approvals and files stay, what trades goes on trading, and the name is never given again.
    """
    with _accounts() as accounts:
        user = _find(accounts, name)
        remove_user(accounts, user.tenant, name)
    lines = [
        f"{name} of {user.tenant} cannot log in any more; sessions and tokens end within five minutes.",
        "Strategies and files stay; a server that runs ends when idle, or an admin stops it at /hub/admin.",
    ]
    _tell({"user": name, "tenant": user.tenant, "removed": True}, lines, as_json)


def main() -> None:
    """Run the command; an error of the platform is one line and exit status 1."""
    try:
        _user(prog_name="tickhub user")
    except TickhubError as error:
        code = f" [{error.code}]" if isinstance(error, Refused) else ""
        click.echo(f"tickhub: {type(error).__name__}{code}: {error}", err=True)
        sys.exit(1)


@contextlib.contextmanager
def _accounts() -> Iterator[Accounts]:
    try:
        accounts = PostgresAccounts(StoreUrls.from_environ(Home.from_environ(), os.environ).accounts, connections=1)
    except Misconfigured as error:
        raise Misconfigured(
            f"users live in the accounts database, which must be up and current: run 'tickhub up' first ({error})"
        ) from error
    try:
        yield accounts
    finally:
        accounts.close()


def _tenant(accounts: Accounts, name: str, tier: str | None) -> bool:
    found = accounts.tenant(name)
    if found is None and tier is not None:
        from hub.configure import check_isolation

        check_isolation(len(accounts.tenants()) + 1, os.environ)
        add_tenant(accounts, name, tier)
        return True
    if found is not None and tier not in (None, found.tier):
        raise Refused("tenant_exists", f"tenant {name} exists with tier {found.tier}; leave --tier {tier} out")
    _require_tenant(accounts, name)
    return False


def _require_tenant(accounts: Accounts, name: str) -> None:
    if accounts.tenant(name) is None:
        known = ", ".join(each.name for each in accounts.tenants()) or "none"
        raise Refused(
            "unknown_tenant", f"there is no tenant {name[:50]!r}, there are {known}; --tier with 'user add' makes one"
        )


def _find(accounts: Accounts, name: str) -> User:
    user = accounts.find_login(name)
    if user is None:
        raise Refused("unknown_user", f"there is no user {name[:50]!r}; 'tickhub user list' says who there is")
    return user


def _tell(told: dict[str, Any], lines: list[str], as_json: bool) -> None:
    click.echo(json.dumps(told) if as_json else "\n".join(lines))


if __name__ == "__main__":
    main()
