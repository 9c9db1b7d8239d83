"""A price before the run, by a clock that can be counted on, and no run without cover.

How near it comes by a real clock is measured in ``benchmarks/sweep.py``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from kernel_lib.backtest import sweep_lanes, sweep_price
from kernel_lib.backtest.grid import parameter_sets
from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.sweep_engine import Lane
from kernel_lib.backtest.sweep_price import Probe, Quota, expected, price
from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.strategies import breakout, ma_cross, rsi_reversion
from kernel_lib.strategy import Strategy
from tests.kernel_lib.backtest.test_sweep import walk
from tests.kernel_lib.backtest.waiting_lane import WaitingLane

PER_RUN_S, PER_TICK_S = 3e-6, 15e-9


class Steady(Lane):
    """A lane on a machine that takes as long for every tick of every set: it runs, and only the clock is another."""

    def run(self, params: Mapping[str, Any], totals: npt.NDArray[np.void]) -> str:
        fault = super().run(params, totals)
        if not fault:
            totals["seconds"] = PER_RUN_S + PER_TICK_S * len(self.engine.ticks)
        return fault


@pytest.mark.parametrize(
    ("strategy", "grid", "running"),
    [
        (ma_cross, {"fast": [3, 10, 30, 90], "slow": [100, 200, 500]}, 1.0),
        (rsi_reversion, {"window": range(5, 17)}, 1.0),
        (breakout, {"window": [3, 12, 40], "margin": [0.05, 0.1, 0.2, 0.4]}, 1.0),
        (ma_cross, {"fast": [-1, 3, -2, 10]}, 0.5),
    ],
)
def test_the_price_is_what_the_sets_that_run_take(
    monkeypatch: pytest.MonkeyPatch, strategy: Strategy, grid: dict[str, Any], running: float
) -> None:
    monkeypatch.setattr(sweep_price, "Lane", Steady)
    asked = price(strategy, walk(400_000, 2_000), grid)
    n_sets = len(parameter_sets(grid))
    assert (asked.n_ticks, asked.n_sets) == (400_000, n_sets)
    assert asked.seconds == pytest.approx(n_sets * (PER_RUN_S + running * PER_TICK_S * 400_000), rel=1e-9)
    probes_s = min(n_sets, 6) * running * 3 * 2 * (2 * PER_RUN_S + PER_TICK_S * 45_000)
    assert asked.probe_seconds == pytest.approx(probes_s, rel=1e-9)


def test_an_interruption_of_a_probe_is_not_scaled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    n_run = 0

    class Interrupted(Steady):
        def run(self, params: Mapping[str, Any], totals: npt.NDArray[np.void]) -> str:
            nonlocal n_run
            fault = super().run(params, totals)
            totals["seconds"] += 0.5 * (n_run % 4 == 0)
            n_run += 1
            return fault

    monkeypatch.setattr(sweep_price, "Lane", Interrupted)
    asked = price(ma_cross, walk(100_000), {"fast": [3, 5, 9]})
    assert n_run >= 4 * 3
    assert asked.seconds == pytest.approx(3 * (PER_RUN_S + PER_TICK_S * 100_000), rel=1e-9)


def test_stretches_that_differ_are_averaged() -> None:
    quiet, busy = Probe(40_000, 4e-4, 5_000, 5e-5), Probe(40_000, 12e-4, 5_000, 15e-5)
    assert expected([quiet, busy], 1_000_000) == pytest.approx(0.02)
    assert expected([quiet, Probe(40_000, 0.0, 5_000, 0.0)], 1_000_000) == pytest.approx(0.005)


def test_a_part_that_took_longer_than_the_whole_still_leaves_a_price() -> None:
    # Half of 8e-4 over 40,000 ticks by the tick, the other half by the run.
    assert expected([Probe(40_000, 8e-4, 5_000, 9e-4)], 1_000_000) == pytest.approx(0.01 + 4e-4)


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


def test_a_run_that_outgrows_its_quota_stops_and_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shrinking(Quota):
        """Another run of the same tenant takes its share while this one is under way."""

        def charge(self, seconds: float) -> None:
            super().charge(seconds + 400.0)

    monkeypatch.setattr(sweep_lanes, "Lane", WaitingLane)
    quota = Shrinking(1_000.0)
    ran = sweep(ma_cross, walk(20_000), {"fast": range(3, 103)}, quota=quota, progress=False, threads=1)
    assert ran.partial
    assert "used up" in ran.note
    assert 0 < ran.n_trials < 100
