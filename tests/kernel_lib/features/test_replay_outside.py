"""What a decision sees of another instrument in a replay is what the notebook showed."""

import numpy as np

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import FixedLots, strategy
from kernel_lib.trading.account import Costs

SECOND = 10**9


@strategy(features={"near": f.correlation("GBPUSD", 10, bars="10s")}, sizing=FixedLots(0.1))
def by_correlation(x, position, p):
    """Long while both move together."""
    return 1.0 if x.near > 0.0 else -1.0


def test_orders_stand_where_the_notebooks_correlation_changes_sign() -> None:
    random = np.random.default_rng(7)
    times = 1_549_238_400 * SECOND + np.cumsum(random.integers(1, 5, 4_000)) * SECOND
    bid = 1.1 + np.cumsum(random.normal(0, 1e-5, 4_000))
    ticks = make_ticks(times, bid, bid + 1e-5)
    other_times = 1_549_238_401 * SECOND + np.cumsum(random.integers(1, 7, 2_500)) * SECOND + 1
    other_bid = 1.3 + np.cumsum(random.normal(0, 1e-5, 2_500))
    other = make_ticks(other_times, other_bid, other_bid + 1e-5)

    shown = f.correlation("GBPUSD", 10, bars="10s")(ticks, other)
    wanted = np.where(shown > 0.0, 1.0, -1.0)[np.isfinite(shown)]
    changes = np.flatnonzero(np.r_[True, wanted[1:] != wanted[:-1]])
    asked_at = ticks["time_ns"][np.isfinite(shown)][changes]

    done = replay(by_correlation, ticks, outside={"GBPUSD": other}, costs=Costs(latency_ms=0), progress=False)
    decided = done.events[done.events["kind"] == 1]
    assert len(decided) > 50
    np.testing.assert_array_equal(decided["time_ns"], asked_at)
    np.testing.assert_array_equal(decided["target"], wanted[changes])
