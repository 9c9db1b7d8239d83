"""Sweep: every row is what a replay of that set reports; bad sets, interruptions and lost workers cost no other."""

import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay, sweep_lanes
from kernel_lib.backtest.grid import parameter_sets, random_sets
from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.sweep_engine import Engine
from kernel_lib.backtest.sweep_price import Quota
from kernel_lib.backtest.sweep_resume import sweep_key
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import make_ticks
from kernel_lib.models.space import Choice, Range
from kernel_lib.strategies import breakout, ma_cross, rsi_reversion
from kernel_lib.strategy import Strategy, strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from tests.kernel_lib.backtest.waiting_lane import WaitingLane

COSTS = Costs(latency_ms=35, latency_jitter_ms=20, slippage_points=1, slippage_random_points=2)


def walk(n_ticks: int = 6_000, step_ms: int = 3000, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    mid = 1.1 + np.cumsum(random.normal(0, 4e-5, n_ticks))
    times = 1_549_238_400 * 10**9 + np.cumsum(random.integers(1, step_ms, n_ticks)) * 10**6
    return make_ticks(times, np.round(mid, 5), np.round(mid + 0.0001, 5))


def assert_rows_are_those_of_replay(
    chosen: Strategy, ticks: np.ndarray, sets: list[dict[str, Any]], **how: Any
) -> None:
    found = sweep(chosen, ticks, sets, progress=False, **how)
    columns = found.table.columns
    for at, params in enumerate(sets):
        expected = replay(chosen, ticks, params=params, **how).report().statistics
        compared = 0
        for name, number in expected.items():
            if name not in columns:
                continue
            compared += 1
            # Counts and money are exact; of sums over floats only the order of adding differs.
            row = float(found.table[name][at])
            if name.endswith(("_count", "_money")) and not name.startswith(("expectancy", "average")):
                assert row == number or (math.isnan(row) and math.isnan(number)), (params, name)
            else:
                assert row == pytest.approx(number, rel=1e-9, abs=1e-12, nan_ok=True), (params, name)
        assert compared == 30


@pytest.mark.parametrize("hedging", [False, True], ids=["netting", "hedging"])
def test_every_row_is_the_report_of_a_replay(hedging: bool) -> None:
    sets = parameter_sets({"fast": [5, 20], "slow": [60, 200, 900]})
    assert_rows_are_those_of_replay(ma_cross, walk(), sets, costs=COSTS, account=AccountConfig(hedging=hedging))


def test_windows_stops_and_sizing_by_risk_are_each_sets_own() -> None:
    sets = [
        {"window": 3, "stop_points": 60}, {"window": 40, "stop_points": 120}, {"window": 12, "target_points": 40},
    ]  # fmt: skip
    assert_rows_are_those_of_replay(breakout, walk(12_000, 9_000), sets, costs=COSTS)


def test_a_run_of_months_has_returns_by_day() -> None:
    ticks = walk(4_000, 2_400_000)
    assert (ticks["time_ns"][-1] - ticks["time_ns"][0]) / 86_400e9 > 45
    assert_rows_are_those_of_replay(ma_cross, ticks, parameter_sets({"fast": [3, 9], "slow": [30]}))


def test_more_rows_than_the_buffer_holds_are_all_counted() -> None:
    assert_rows_are_those_of_replay(ma_cross, walk(30_000), [{"fast": 2, "slow": 3}], costs=COSTS)


def test_decisions_on_bars_and_their_features_agree_too() -> None:
    sets = parameter_sets({"window": [5, 14, 50], "low": [35.0], "high": [65.0]})
    assert_rows_are_those_of_replay(rsi_reversion, walk(20_000), sets)


def test_any_number_of_threads_gives_the_same_table() -> None:
    grid = {"fast": range(3, 15), "slow": [40, 80]}
    one, three = (sweep(ma_cross, walk(2000), grid, threads=n, progress=False).table for n in (1, 3))
    assert one.equals(three)


def test_a_set_out_of_range_is_a_row_with_the_reason() -> None:
    found = sweep(ma_cross, walk(800), {"fast": [5, 0, 7.5], "slow": [50]}, progress=False)
    reasons = found.table["reason"].tolist()
    assert reasons[0] == ""
    assert "0" in reasons[1]
    assert "whole number" in reasons[2]
    assert np.isnan(found.table["net_profit_money"]).tolist() == [False, True, True]
    assert not found.partial
    assert found.n_trials == 1


@strategy(features={"change": f.price_change()}, params={"worst": 0.0, "target": 1.0})
def fragile(x, position, p):  # type: ignore[no-untyped-def]
    if p.worst > 0.0 and x.change > p.worst:
        raise ValueError("too far")
    return p.target if x.change > 0.0 else -p.target


def test_a_strategy_that_raises_in_one_set_marks_that_row_and_says_where() -> None:
    ticks = walk(2000)
    found = sweep(fragile, ticks, {"worst": [0.0, 1e-4, 9.0]}, progress=False)
    assert found.table["reason"][0] == "" == found.table["reason"][2]
    assert "ValueError: too far" in found.table["reason"][1]
    assert "tick " in found.table["reason"][1]
    assert found.table["reason"][1] == replay(fragile, ticks, params={"worst": 1e-4}).fault
    assert found.best("net_profit_money").name in (0, 2)


def test_a_target_that_is_none_marks_the_row() -> None:
    found = sweep(fragile, walk(500), {"target": [0.5, 1.5]}, progress=False)
    assert found.table["reason"][0] == ""
    assert "from -1 to 1" in found.table["reason"][1]


def test_a_decision_that_numba_cannot_compile_gives_the_same_rows_and_a_note() -> None:
    @strategy(features=lambda p: {"fast": f.ema(p.n)}, params={"n": 5})
    def plain(x, position, p):  # type: ignore[no-untyped-def]
        words = {"up": "long", "down": "short"}
        side = words.get("up" if x.bid > x.fast else "down", "")
        assert isinstance(f"{side}", str)
        return {"long": 1.0, "short": -1.0}.get(side, position.exposure)

    ticks = walk(800)
    found = sweep(plain, ticks, {"n": [5, 30]}, progress=False)
    assert "Python" in found.note
    assert "slower" in repr(found)
    for at, n in enumerate((5, 30)):
        expected = replay(plain, ticks, params={"n": n}).report().statistics
        assert found.table["net_profit_money"][at] == expected["net_profit_money"]


def test_a_name_that_is_no_parameter_is_refused_before_anything_runs() -> None:
    with pytest.raises(Misconfigured, match="fats"):
        sweep(ma_cross, walk(100), {"fats": [1]})
    with pytest.raises(BadData, match="at least one tick"):
        sweep(ma_cross, walk(100)[:0], {"fast": [1]})
    with pytest.raises(Misconfigured, match="at least one value"):
        sweep(ma_cross, walk(100), {"fast": []})


def test_random_sets_lie_within_their_space_and_depend_on_the_seed_alone() -> None:
    space: dict[str, Range | Choice] = {"a": Range(2, 40, log=True), "b": Range(0.5, 2.0), "c": Choice((1, 7))}
    drawn = random_sets(space, 200, seed=3)
    assert drawn == random_sets(space, 200, seed=3) != random_sets(space, 200, seed=4)
    assert {each["a"] for each in drawn} <= set(range(2, 41))
    assert {each["c"] for each in drawn} == {1, 7}
    assert all(0.5 <= each["b"] <= 2.0 for each in drawn)


def test_best_surface_and_pictures() -> None:
    found = sweep(ma_cross, walk(3000), {"fast": [3, 10], "slow": [40, 80, 160]}, progress=False)
    best = found.best("sharpe_ratio")
    assert best["sharpe_ratio"] == found.table["sharpe_ratio"].max()
    assert found.best("max_drawdown_pct")["max_drawdown_pct"] == found.table["max_drawdown_pct"].min()
    assert found.best_strategy().params["slow"] == best["slow"]
    surface = found.surface("fast", "slow", "net_profit_money")
    assert surface.shape == (3, 2)
    assert surface.loc[80, 10] == found.table.query("fast == 10 and slow == 80")["net_profit_money"].item()
    assert found.heatmap("fast", "slow").axes
    assert found.plot().axes
    assert "<table" in found._repr_html_()
    with pytest.raises(BadData, match="sharp"):
        found.best("sharp")


def test_an_interruption_keeps_what_is_done_and_the_next_sweep_goes_on_from_there(tmp_path: Path) -> None:
    ticks, grid = walk(60_000), {"fast": range(3, 103), "slow": [120, 130]}
    whole = sweep(ma_cross, ticks, grid, progress=False, threads=1)
    file = tmp_path / "rows.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_lanes, "Lane", WaitingLane)
        part = sweep(ma_cross, ticks, grid, progress=False, threads=1, resume=file, quota=ImpatientQuota(1e9))
    assert part.partial
    assert "interrupted" in part.note
    n_done = int(part.done.sum())
    assert 0 < n_done < 200
    assert part.table["reason"].tolist()[-1] == "not run"
    on = sweep(ma_cross, ticks, grid, progress=False, resume=file)
    assert not on.partial
    assert on.table.equals(whole.table)
    assert (on.totals["seconds"][part.done] == part.totals["seconds"][part.done]).all()  # not run a second time
    with pytest.raises(Misconfigured, match="another one"):
        sweep(ma_cross, ticks, grid, costs=COSTS, progress=False, resume=file)
    file.write_bytes(b"something else")
    with pytest.raises(Misconfigured, match="must hold a sweep's rows"):
        sweep(ma_cross, ticks, grid, progress=False, resume=file)


def test_rows_kept_of_another_threshold_stop_or_helper_are_not_taken_for_these() -> None:
    def key(least: float = 0.0, trail: int = 0, times: float = 1.0) -> str:
        def scaled(number: float) -> float:
            return number * times

        @strategy(features={"change": f.price_change(3)}, params={"fast": 3}, trailing_points=trail)
        def cross(x, position, p):
            return 1.0 if scaled(x.change) > least else -1.0

        engine = Engine(cross, walk(100), EURUSD, AccountConfig(), RiskLimits(), Costs(), None)
        return sweep_key(engine, [{"fast": 3}])

    keys = [key(), key(least=0.1), key(trail=30), key(times=2.0)]
    assert len(set(keys)) == 4
    assert key() == keys[0]


class ImpatientQuota(Quota):
    """Presses Ctrl-C as soon as something was used."""

    def charge(self, seconds: float) -> None:
        super().charge(seconds)
        if self.used_s > 0.0:
            signal.raise_signal(signal.SIGINT)


class DyingExecutor:
    """An executor whose first ``deaths`` tasks are lost, as when the worker's machine goes."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.submitted = 0

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "DyingExecutor.Answer":
        self.submitted += 1
        return self.Answer(function, arguments, dies=self.submitted <= self.deaths)

    class Answer:
        def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...], dies: bool) -> None:
            self._work, self._dies = (function, arguments), dies

        def result(self) -> Any:
            if self._dies:
                raise ConnectionError("the worker is gone")
            return self._work[0](*self._work[1])


def test_a_chunk_whose_worker_died_is_run_elsewhere() -> None:
    ticks, grid = walk(1500), {"fast": [3, 5, 8], "slow": [30, 60]}
    here = sweep(ma_cross, ticks, grid, progress=False)
    cluster = DyingExecutor(deaths=2)
    there = sweep(ma_cross, ticks, grid, progress=False, cluster=cluster)
    assert cluster.submitted == 6 + 2
    assert there.table.equals(here.table)
    assert not there.partial


def test_rows_of_workers_that_die_again_and_again_are_marked() -> None:
    lost = sweep(ma_cross, walk(500), {"fast": [3, 5]}, progress=False, cluster=DyingExecutor(deaths=99))
    assert lost.partial
    assert "lost" in lost.note
    assert all("lost 3 times" in reason and "worker is gone" in reason for reason in lost.table["reason"])
    with pytest.raises(Misconfigured, match="submit"):
        sweep(ma_cross, walk(100), {"fast": [3]}, cluster=object())


@pytest.mark.parametrize(
    "first", ["kernel_lib.backtest.sweep", "kernel_lib.backtest.walkforward", "kernel_lib.backtest"]
)
def test_the_package_names_the_function_whatever_was_imported_first(first: str) -> None:
    program = (
        f"import {first}\n"
        "from kernel_lib.backtest import sweep, walkforward\n"
        "from kernel_lib.backtest.sweep import sweep as same\n"
        "assert sweep is same and callable(walkforward)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
