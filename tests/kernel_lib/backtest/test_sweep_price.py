"""A price before the run: within a factor of two, and no run without cover."""

from typing import Any

import pytest

from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.sweep_price import Quota, price
from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.strategies import breakout, ma_cross, rsi_reversion
from kernel_lib.strategy import Strategy
from tests.kernel_lib.backtest.test_sweep import walk

GRIDS: dict[str, tuple[Strategy, dict[str, Any]]] = {
    "ma_cross": (ma_cross, {"fast": [3, 10, 30, 90], "slow": [100, 200, 500]}),
    "rsi_reversion": (rsi_reversion, {"window": range(5, 17)}),
    "breakout": (breakout, {"window": [3, 12, 40], "margin": [0.05, 0.1, 0.2, 0.4]}),
}


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_the_price_is_within_a_factor_of_two_and_cheap(name: str) -> None:
    chosen, grid = GRIDS[name]
    ticks = walk(400_000, 2_000)
    asked = price(chosen, ticks, grid)
    ran = sweep(chosen, ticks, grid, progress=False)
    assert 0.5 < asked.seconds / ran.seconds < 2.0
    assert asked.probe_seconds < 0.5 * ran.seconds


def test_a_run_that_is_not_covered_is_refused_with_the_reason() -> None:
    ticks = walk(20_000)
    quota = Quota(1e-6)
    with pytest.raises(Refused, match="2 sets on 20,000 ticks") as refused:
        sweep(ma_cross, ticks, {"fast": [5, 9]}, quota=quota)
    assert refused.value.code == "quota_backtest_seconds"
    assert quota.used_s == 0.0
    enough = Quota(60.0)
    ran = sweep(ma_cross, ticks, {"fast": [5, 9]}, quota=enough, progress=False)
    assert enough.used_s == pytest.approx(ran.seconds)
    assert ran.seconds > 0.0
    with pytest.raises(Misconfigured, match="seconds"):
        Quota(float("nan"))


def test_a_run_that_outgrows_its_quota_stops_and_keeps_what_is_done() -> None:
    ticks = walk(200_000)
    grid = {"fast": range(3, 103)}
    asked = price(ma_cross, ticks, grid)

    class Shrinking(Quota):
        """Another run of the same tenant takes its share while this one is under way."""

        def charge(self, seconds: float) -> None:
            super().charge(seconds + 0.4 * self.seconds)

    quota = Shrinking(2.5 * asked.seconds)
    ran = sweep(ma_cross, ticks, grid, quota=quota, progress=False, threads=1)
    assert ran.partial
    assert "used up" in ran.note
    assert 0 < ran.n_trials < 100
