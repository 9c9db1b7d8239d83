"""Who may log in: users of the accounts store, by password, with their tenant and role as hub groups."""

import asyncio
import time
from typing import Any

from jupyterhub.auth import Authenticator
from tornado import web

from hub.attempts import Attempts
from hub.passwords import USERNAME, check_password
from kernel_lib.config import Secret
from kernel_lib.errors import Transient
from kernel_lib.stores.accounts import Accounts, User

__all__ = ["AccountsAuthenticator", "authenticator_over", "groups_of"]


def groups_of(user: User) -> list[str]:
    """The hub groups that say which tenant a user belongs to and what the user does there.

    >>> groups_of(User("demo", "ann", "trader", Secret("")))
    ['role:trader', 'tenant:demo']
    """
    groups = [f"role:{user.role}", f"tenant:{user.tenant}"]
    return [*groups, f"admin:{user.tenant}"] if user.role == "admin" else groups


def authenticator_over(accounts: Accounts) -> type["AccountsAuthenticator"]:
    """Bind the authenticator to its store: JupyterHub makes it from its class, and copies what is configured."""
    return type("AccountsAuthenticator", (AccountsAuthenticator,), {"accounts": accounts})


class AccountsAuthenticator(Authenticator):
    """JupyterHub's authenticator over :class:`~kernel_lib.stores.accounts.Accounts`; nobody registers themselves."""

    accounts: Accounts

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.manage_groups = True
        self.allow_all = True  # "all" are the users that authenticate() knows
        self.any_allow_config = True
        self.enable_auth_state = False
        self._by_place = Attempts(limit=5, window_s=60.0)
        self._by_name = Attempts(limit=50, window_s=600.0)
        self._hashing = asyncio.Semaphore(2)

    async def authenticate(self, handler: web.RequestHandler, data: dict[str, str]) -> dict[str, Any] | None:
        """Check name and password; None when they do not fit, 429 after too many tries."""
        name, password = data.get("username", ""), Secret(data.get("password", ""))
        if not USERNAME.fullmatch(name):
            return None
        place, now_s = f"{name} {handler.request.remote_ip}", time.monotonic()
        wait_s = max(self._by_place.wait_s(place, now_s=now_s), self._by_name.wait_s(name, now_s=now_s))
        if wait_s > 0:
            raise web.HTTPError(429, f"Too many failed logins for this name: try again in {wait_s:.0f} s")
        try:
            user = await asyncio.to_thread(self.accounts.find_login, name)
        except Transient:
            raise web.HTTPError(503, "The accounts database does not answer; try again in a moment") from None
        async with self._hashing:
            fits = await asyncio.to_thread(check_password, user.password_hash if user else None, password)
        if user is None or not fits:
            self._by_place.failed(place, now_s=now_s)
            self._by_name.failed(name, now_s=now_s)
            return None
        self._by_place.succeeded(place)
        return {"name": user.name, "groups": groups_of(user), "admin": False}

    async def refresh_user(
        self, user: Any, handler: web.RequestHandler | None = None, **_: Any
    ) -> bool | dict[str, Any]:
        """Follow the accounts store: a deleted user is logged out, a changed role takes effect within minutes."""
        try:
            known = await asyncio.to_thread(self.accounts.find_login, user.name)
        except Transient:
            return True
        return {"name": known.name, "groups": groups_of(known), "admin": False} if known else False
