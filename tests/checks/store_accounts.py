"""What every accounts store must do, on the embedded engine and on a server named by ``TICKHUB_TEST_ACCOUNTS_URL``."""

import os
import uuid
from collections.abc import Iterator

import pytest

from hub.migrate import migrate
from kernel_lib.config import Secret
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.embedded import embedded

SERVER = "TICKHUB_TEST_ACCOUNTS_URL"
#: Any argon2id text: the store checks its form only.
HASH = Secret("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA")


@pytest.fixture(scope="module", params=["embedded", "server"])
def accounts_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """One migrated database after another."""
    if request.param == "server":
        url = os.environ.get(SERVER, "")
        if not url:
            pytest.skip(f"PostgreSQL server: {SERVER} names none")
        migrate(url)
        yield url
    else:
        with embedded(with_redis=False) as (_, urls):
            migrate(urls.accounts)
            yield urls.accounts


@pytest.fixture(scope="module")
def accounts(accounts_url: str) -> Iterator[PostgresAccounts]:
    store = PostgresAccounts(accounts_url)
    yield store
    store.close()


@pytest.fixture
def two_tenants(accounts: PostgresAccounts) -> tuple[str, str]:
    """Two fresh tenants, each with a quant ``q-NAME`` and an admin ``a-NAME``."""
    names = (f"t{uuid.uuid4().hex[:10]}", f"t{uuid.uuid4().hex[:10]}")
    for name in names:
        accounts.create_tenant(name, "pro")
        accounts.create_user(name, f"q-{name}", "quant", HASH)
        accounts.create_user(name, f"a-{name}", "admin", HASH)
    return names
