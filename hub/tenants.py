"""Tenants and their users: created here, with a random password that is shown once, and closed here."""

from hub.passwords import USERNAME, hash_password, new_password
from kernel_lib.config import Secret
from kernel_lib.errors import BadData, Refused
from kernel_lib.stores.accounts import Accounts, Role
from kernel_lib.tiers import TIERS
from kernel_lib.wire import Streams

__all__ = ["add_tenant", "add_user", "check_user_name", "remove_user", "reset_password"]


def add_tenant(accounts: Accounts, name: str, tier: str) -> None:
    """Add a tenant of a tier; one that exists stays as it is.

    Raises
    ------
    BadData
        The name cannot name streams, or no such tier.
    """
    Streams(name)
    if tier not in TIERS:
        raise BadData(f"a tier must be one of {', '.join(TIERS)}, it was {tier!r}")
    accounts.create_tenant(name, tier)


def add_user(accounts: Accounts, tenant: str, name: str, role: Role) -> Secret:
    """Add a user and give the password, which is stored only as a hash.

    Raises
    ------
    BadData
        The name is not 1 to 40 of ``a-z 0-9 _ -`` starting with a letter.
    Refused
        Code ``user_exists``.
    """
    check_user_name(name)
    password = new_password()
    accounts.create_user(tenant, name, role, hash_password(password))
    accounts.record(tenant, "platform", "user_added", {"name": name, "role": role})
    return password


def check_user_name(name: str) -> None:
    """Refuse what cannot name a user, with BadData."""
    if not USERNAME.fullmatch(name):
        raise BadData(
            f"a user name must be 1 to 40 of a-z, 0-9, '-' and '_' and start with a letter, it was {name[:50]!r}"
        )


def reset_password(accounts: Accounts, tenant: str, name: str) -> Secret:
    """Give a user a new password.

    Raises
    ------
    Refused
        Code ``unknown_user``.
    """
    _require_user(accounts, tenant, name)
    password = new_password()
    accounts.set_password(tenant, name, hash_password(password))
    accounts.record(tenant, "platform", "password_reset", {"name": name})
    return password


def remove_user(accounts: Accounts, tenant: str, name: str) -> None:
    """End a user's account; what the user submitted and approved stays, and so does the home directory.

    Raises
    ------
    Refused
        Code ``unknown_user``.
    """
    _require_user(accounts, tenant, name)
    accounts.close_user(tenant, name)
    accounts.record(tenant, "platform", "user_removed", {"name": name})


def _require_user(accounts: Accounts, tenant: str, name: str) -> None:
    if name not in {user.name for user in accounts.users(tenant)}:
        raise Refused(
            "unknown_user", f"tenant {tenant} has no user {name[:50]!r}; 'tickhub user list' says who there is"
        )
