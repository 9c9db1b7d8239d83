"""The bus says which tier each tenant has, and says it again when the tier changes."""

from hub.services.tiers_told import tell_tiers
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.live import RedisLive


def test_every_tenant_is_named_with_its_tier(
    accounts: PostgresAccounts, live: RedisLive, tenants: dict[str, str]
) -> None:
    tell_tiers(accounts, live)
    assert {tier: live.tier_of(name) for tier, name in tenants.items()} == {"pro": "pro", "free": "free"}


def test_another_tier_is_told(accounts: PostgresAccounts, live: RedisLive, tenants: dict[str, str]) -> None:
    tell_tiers(accounts, live)
    accounts.set_tier(tenants["free"], "enterprise")
    tell_tiers(accounts, live)
    assert live.tier_of(tenants["free"]) == "enterprise"
