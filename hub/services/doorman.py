"""Who is calling: a hub token becomes a user with tenant, role and tier, or a refusal."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from kernel_lib.errors import Refused, Transient
from kernel_lib.stores.accounts import Accounts
from kernel_lib.tiers import Tier, tier

__all__ = ["Caller", "Doorman", "HubTokens", "TokenSource"]


class Caller(msgspec.Struct, frozen=True):
    """A user whose token the hub vouches for; tenant, role and tier come from the accounts store alone."""

    user: str
    tenant: str
    role: str
    tier: Tier


class TokenSource(Protocol):
    """Turns a token into a hub user's name; None when it is not good for this service."""

    async def user_of(self, token: str) -> str | None: ...


class HubTokens:
    """Ask the hub; an answer is kept for a minute, so that the hub is not asked for every query.

    Parameters
    ----------
    api_url : str
        The hub's API, ``http+unix://.../hub/api``.
    service : str
        Tokens must carry the right ``access:services`` for this service.
    token : str
        The service's own token.
    """

    def __init__(self, api_url: str, service: str, token: str) -> None:
        from jupyterhub.services.auth import HubAuth

        self._auth = HubAuth(
            api_url=api_url, api_token=token, base_url="/", cache_max_age=60,
            access_scopes={"access:services", f"access:services!service={service}"},
        )  # fmt: skip

    async def user_of(self, token: str) -> str | None:
        try:
            model: dict[str, Any] | None = await self._auth.user_for_token(token, sync=False)
        except Exception as error:
            raise Transient(f"the hub must confirm a token, it did not answer ({type(error).__name__})") from None
        if not model or model.get("kind") != "user" or not self._auth.check_scopes(self._auth.access_scopes, model):
            return None
        return str(model["name"])


class Doorman:
    """Lets callers in by their token."""

    def __init__(self, tokens: TokenSource, accounts: Accounts) -> None:
        self._tokens = tokens
        self._accounts = accounts

    async def admit(self, authorization: str) -> Caller:
        """Read an ``Authorization`` header (``token ...`` or ``Bearer ...``).

        Raises
        ------
        Refused
            Code ``no_token``, ``bad_token``, or ``unknown_user`` (the hub knows a user that the accounts do not).
        """
        kind, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if kind.lower() not in {"token", "bearer"} or not token:
            raise Refused("no_token", "a request must carry a hub token: 'Authorization: token ...'")
        if len(token) > 256 or not token.isascii() or not token.isprintable():
            raise Refused("bad_token", "the token must be one that this hub issued, it is not")
        name = await self._tokens.user_of(token)
        if name is None:
            raise Refused("bad_token", "the token must be valid for this service, it is not; ask the hub for a new one")
        user = await asyncio.to_thread(self._accounts.find_login, name)
        tenant = await asyncio.to_thread(self._accounts.tenant, user.tenant) if user else None
        if user is None or tenant is None:
            raise Refused("unknown_user", f"user {name} must belong to a tenant, it does not; ask an admin")
        return Caller(user.name, tenant.name, user.role, tier(tenant.tier))

    async def meter(self, caller: Caller, metric: str, amount: int) -> None:
        """Add to the tenant's metered use of today (UTC)."""
        today = datetime.now(UTC).date()
        await asyncio.to_thread(self._accounts.count, caller.tenant, metric, amount, today)
