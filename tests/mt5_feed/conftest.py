from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_lib.config import Home
from kernel_lib.market.tick import Ticks
from tests.mt5_feed.order_bench import Bench, Make
from tests.mt5_feed.running import PrivateRedis, Site, private_redis


@pytest.fixture
def private(home: Home) -> Iterator[PrivateRedis]:
    with private_redis() as server:
        yield server


@pytest.fixture
def site(home: Home, private: PrivateRedis) -> Site:
    return Site(home, private)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    benches: list[Bench] = []

    def build(ticks: Ticks, **settings: Any) -> Bench:
        benches.append(Bench(tmp_path, ticks, **settings))
        return benches[-1]

    yield build
    for bench in benches:
        bench.desk.lane.close()
