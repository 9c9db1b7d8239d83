"""Keeps the tenants' tiers on the bus, for the processes that have no login to the accounts: bridge and engine."""

import asyncio
import logging

from kernel_lib.errors import TickhubError
from kernel_lib.stores.accounts import Accounts
from kernel_lib.stores.live import LiveStore

__all__ = ["keep_tiers_told", "tell_tiers"]

_INTERVAL_S = 15.0
_log = logging.getLogger("tickhub")


def tell_tiers(accounts: Accounts, live: LiveStore) -> None:
    """Say once which tier each tenant has."""
    live.set_tiers({each.name: each.tier for each in accounts.tenants()})


async def keep_tiers_told(accounts: Accounts, live: LiveStore) -> None:
    """Say it again and again; a store that is away is waited for."""
    while True:
        try:
            await asyncio.to_thread(tell_tiers, accounts, live)
        except TickhubError as error:
            _log.warning("the tiers could not be told: %s", error)
        await asyncio.sleep(_INTERVAL_S)
