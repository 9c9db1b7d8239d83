"""Walk-forward: parameters chosen where they are not judged, every trial counted, what joins is what was run."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from kernel_lib.backtest import replay
from kernel_lib.backtest.sweep_engine import Engine
from kernel_lib.backtest.sweep_search import Search, chosen_row, evaluated
from kernel_lib.backtest.walkforward import walkforward
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.instrument import EURUSD
from kernel_lib.models.space import Range
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from tests.kernel_lib.backtest.test_sweep import walk

GRID = {"fast": [3, 8, 20], "slow": [40, 90]}


@pytest.mark.parametrize("scheme", ["anchored", "rolling"])
def test_each_fold_is_chosen_before_it_is_judged_and_judged_as_a_replay_would(scheme: Any) -> None:
    ticks = walk(8000, 20_000)
    run = walkforward(ma_cross, ticks, GRID, scheme=scheme, folds=3, rows=40, horizon=2)
    assert run.n_trials == 3 * 6
    assert len(run.trials) == 18
    for fold, row in zip(run.folds, run.table.to_dict("records"), strict=True):
        assert fold.split.train.max() + 2 < fold.split.test.min()
        begin, end = row["begin"].value, row["end"].value
        part = ticks[(ticks["time_ns"] >= begin) & (ticks["time_ns"] < end)]
        expected = replay(ma_cross, part, params=fold.params).report().statistics
        assert row["net_profit_money"] == expected["net_profit_money"]
        assert row["sharpe_ratio"] == pytest.approx(expected["sharpe_ratio"], rel=1e-9)
        before = ticks[ticks["time_ns"] < run.edges_ns[fold.split.train.max() + 1]]
        first = before[before["time_ns"] >= run.edges_ns[fold.split.train.min()]]
        scores = [
            replay(ma_cross, first, params=each).report().statistics["sharpe_ratio"] for each in fold.found.sets
        ]  # fmt: skip
        assert int(np.argmax(scores)) == fold.row
    profits = run.table["net_profit_money"]
    assert run.statistics["net_profit_money"] == pytest.approx(profits.sum(), abs=1e-6)
    assert run.statistics["trades_count"] == run.table["trades_count"].sum()


def test_joined_stretches_have_the_sharpe_ratio_of_their_returns_together() -> None:
    ticks = walk(9000, 20_000)
    engine = Engine(ma_cross, ticks, EURUSD, AccountConfig(), RiskLimits(), Costs(), None)
    segments = [(0, 3000), (4000, 6500), (7000, 9000)]
    joined = evaluated(engine, segments, [{"fast": 5, "slow": 60}]).table
    returns = []
    for start, stop in segments:
        run = replay(ma_cross, ticks[start:stop], params={"fast": 5, "slow": 60})
        hours = run.equity["time_ns"] // (3600 * 10**9)
        closes = run.equity["equity_minor"][np.append(np.diff(hours) > 0, True)] / 100
        returns += [after / before - 1 for before, after in pairwise([10_000.0, *closes])]
    expected = np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(24 * 252)
    assert joined["sharpe_ratio"][0] == pytest.approx(expected, rel=1e-9)


def test_combinatorial_folds_join_into_whole_histories() -> None:
    run = walkforward(ma_cross, walk(8000, 20_000), GRID, scheme="combinatorial", folds=4, test_folds=2, rows=40)
    assert len(run.folds) == 6
    assert len(run.paths) == 3
    # Each path goes through every block once, so all ticks are judged in each.
    assert (run.paths["ticks_count"] == 8000).all()
    assert "combinatorial" in repr(run)


def test_every_block_of_a_k_fold_is_judged_once() -> None:
    run = walkforward(ma_cross, walk(6000, 20_000), GRID, scheme="k_fold", folds=4, rows=40, embargo=1)
    assert run.statistics["ticks_count"] == 6000
    assert run.table["groups"].tolist() == [(0,), (1,), (2,), (3,)]


def test_a_sampler_that_learns_is_seeded_and_counts_its_trials() -> None:
    search = Search(space={"fast": Range(2, 20), "slow": Range(30, 120)}, n_trials=12, sampler="tpe", batch=4)
    runs = [walkforward(ma_cross, walk(4000, 20_000), search, folds=2, rows=30) for _ in range(2)]
    assert runs[0].n_trials == 24
    assert runs[0].table.equals(runs[1].table)
    assert [fold.found.sets for fold in runs[0].folds] == [fold.found.sets for fold in runs[1].folds]


def test_several_scores_choose_a_set_that_no_other_beats_in_all() -> None:
    by = ("sharpe_ratio", "max_drawdown_pct")
    search = Search(space={"fast": Range(2, 20), "slow": Range(30, 120)}, n_trials=16, sampler="nsga2")
    run = walkforward(ma_cross, walk(4000, 20_000), search, by=by, folds=2, rows=30)
    for fold in run.folds:
        table = fold.found.table
        mine = table.loc[fold.row]
        beats = (table[by[0]] > mine[by[0]]) & (table[by[1]] < mine[by[1]])
        assert not beats.any()
    with pytest.raises(Misconfigured, match="nsga2"):
        walkforward(ma_cross, walk(4000, 20_000), Search(space=search.space, sampler="tpe"), by=by, folds=2, rows=30)


def test_stability_looks_at_the_next_values_on_either_side() -> None:
    run = walkforward(ma_cross, walk(6000, 20_000), {"fast": [3, 5, 8, 13], "slow": [40, 60, 90]}, folds=2, rows=30)
    stable = run.stability()
    for fold, row in zip(run.folds, stable.to_dict("records"), strict=True):
        table = fold.found.table.set_index(["fast", "slow"])["sharpe_ratio"]
        fasts, slows = [3, 5, 8, 13], [40, 60, 90]
        a, b = fasts.index(fold.params["fast"]), slows.index(fold.params["slow"])
        near = [table[fasts[k], slows[b]] for k in (a - 1, a + 1) if 0 <= k < 4]
        near += [table[fasts[a], slows[k]] for k in (b - 1, b + 1) if 0 <= k < 3]
        assert row["neighbours_count"] == len(near)
        assert row["neighbours_mean"] == pytest.approx(np.mean(near))
    assert run.surface("fast", "slow").shape == (3, 4)
    assert run.plot().axes


def test_a_fold_without_a_score_says_which_and_why() -> None:
    with pytest.raises(BadData, match="fold 0: no set has a sharpe_ratio with 9999 trades"):
        walkforward(ma_cross, walk(2000, 20_000), GRID, folds=2, rows=20, least_trades=9999)
    with pytest.raises(BadData, match=r"scheme must be 'anchored' or 'rolling' or .*, it was 'sideways'"):
        walkforward(ma_cross, walk(2000, 20_000), GRID, scheme="sideways")  # type: ignore[arg-type]


def test_one_score_is_the_best_of_the_sweep() -> None:
    engine = Engine(ma_cross, walk(3000, 20_000), EURUSD, AccountConfig(), RiskLimits(), Costs(), None)
    found = evaluated(engine, [(0, 3000)], [{"fast": 3}, {"fast": 30}, {"fast": 90}])
    assert chosen_row(found, ("net_profit_money",), 1) == int(found.table["net_profit_money"].idxmax())
