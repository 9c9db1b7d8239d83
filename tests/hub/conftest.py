"""Fixtures of the hub's tests: both embedded servers once a session, migrated, with fresh tenants for each test."""

import uuid
from collections.abc import Iterator

import pytest

from hub.migrate import migrate
from hub.passwords import hash_password
from kernel_lib.config import Home, Secret, StoreUrls
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.embedded import embedded
from kernel_lib.stores.live import RedisLive

PASSWORD = Secret("correct horse battery staple")


@pytest.fixture(scope="session")
def stores() -> Iterator[tuple[Home, StoreUrls]]:
    with embedded() as (home, urls):
        migrate(urls.accounts)
        yield home, urls


@pytest.fixture(scope="session")
def accounts(stores: tuple[Home, StoreUrls]) -> Iterator[PostgresAccounts]:
    store = PostgresAccounts(stores[1].accounts)
    yield store
    store.close()


@pytest.fixture(scope="session")
def live(stores: tuple[Home, StoreUrls]) -> Iterator[RedisLive]:
    store = RedisLive(stores[1].live)
    yield store
    store.close()


@pytest.fixture(scope="session")
def password_hash() -> Secret:
    return hash_password(PASSWORD)


@pytest.fixture
def tenants(accounts: PostgresAccounts, password_hash: Secret) -> dict[str, str]:
    """Two fresh tenants, ``pro`` and ``free``, each with ``NAME-quant``, ``NAME-trader``, ``NAME-admin``."""
    names = {tier: f"t{uuid.uuid4().hex[:8]}" for tier in ("pro", "free")}
    for tier, name in names.items():
        accounts.create_tenant(name, tier)
        for role in ("quant", "trader", "admin"):
            accounts.create_user(name, f"{name}-{role}", role, password_hash)  # type: ignore[arg-type]
    return names
