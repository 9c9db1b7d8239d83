from collections.abc import Iterator

import pytest

from kernel_lib.config import Home
from tests.mt5_feed.running import PrivateRedis, Site, private_redis


@pytest.fixture
def private(home: Home) -> Iterator[PrivateRedis]:
    with private_redis() as server:
        yield server


@pytest.fixture
def site(home: Home, private: PrivateRedis) -> Site:
    return Site(home, private)
