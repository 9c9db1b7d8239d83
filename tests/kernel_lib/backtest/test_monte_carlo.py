"""Monte Carlo: trades against every order counted by hand, returns and prices against what must stay."""

from itertools import permutations

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.monte_carlo import monte_carlo_returns, monte_carlo_trades
from kernel_lib.backtest.monte_carlo_prices import monte_carlo_prices
from kernel_lib.backtest.prices import resampled_bars, resampled_ticks, with_spread
from kernel_lib.errors import BadData
from kernel_lib.market.bars import bars
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import strategy
from kernel_lib.trading.account import Costs
from tests.kernel_lib.backtest.test_replay import walk


def test_the_distribution_of_drawdowns_is_that_of_all_orders() -> None:
    profits = [300.0, -200.0, 150.0, -400.0, 50.0]
    exact = []
    for order in permutations(profits):
        equity = np.concatenate([[1000.0], 1000.0 + np.cumsum(order)])
        peaks = np.maximum.accumulate(equity)
        exact.append(float((100 * (peaks - equity) / peaks).max()))
    found = monte_carlo_trades(profits, deposit=1000.0, n_draws=20_000)
    assert set(np.round(found.max_drawdown_pct, 9)) == set(np.round(exact, 9))
    for limit in (25.0, 40.0, 55.0):
        share = np.mean(np.array(exact) >= limit)
        assert found.drawdown_probability(limit) == pytest.approx(share, abs=0.011)  # three deviations
    np.testing.assert_allclose(found.final_equity, 900.0)
    assert found.observed_drawdown_pct == pytest.approx(100 * 450 / 1300)
    assert found.luck == 1.0


def test_trades_drawn_with_replacement_end_where_the_binomial_says() -> None:
    found = monte_carlo_trades([100.0, -100.0] * 50, deposit=10_000.0, n_draws=20_000, replace=True)
    assert found.final_equity.mean() == pytest.approx(10_000, abs=25)
    assert found.final_equity.std() == pytest.approx(1000.0, rel=0.02)
    # P(fewer than 50 of 100 heads) = 0.4602
    assert found.loss_probability == pytest.approx(0.4602, abs=0.011)


def test_the_trades_of_a_run_come_from_its_report() -> None:
    run = replay(CATALOGUE["ma_cross"], walk())
    found = monte_carlo_trades(run, n_draws=100)
    assert found.deposit == 10_000.0
    assert found.observed_final == pytest.approx(10_000 + run.trades["net_profit"].sum())
    assert found.paths.shape[0] == 100
    assert len(found.plot().axes) == 2
    assert "USD" in repr(found)
    assert "the run" in found._repr_html_()


def test_returns_are_compounded_and_their_growth_has_the_mean_and_deviation_of_theory() -> None:
    returns = np.random.default_rng(2).normal(0.0005, 0.01, 400)
    found = monte_carlo_returns(returns, deposit=100.0, n_draws=4000, block=1.0)
    growth = np.log(found.final_equity / 100.0)
    logs = np.log1p(returns)
    assert growth.mean() == pytest.approx(400 * logs.mean(), abs=4 * logs.std() * 20 / 63)
    assert growth.std() == pytest.approx(20 * logs.std(), rel=0.05)
    assert found.observed_final == pytest.approx(100.0 * np.prod(1 + returns))


def test_a_seed_gives_the_same_draws() -> None:
    one, two = (monte_carlo_returns([0.01, -0.02, 0.03] * 9, n_draws=9, seed=s) for s in (4, 4))
    np.testing.assert_array_equal(one.paths, two.paths)
    assert (monte_carlo_returns([0.01, -0.02, 0.03] * 9, n_draws=9, seed=5).paths != one.paths).any()


def test_drawn_ticks_keep_times_spreads_and_the_size_of_moves_and_replay_takes_them() -> None:
    ticks = walk(5000)
    drawn, block = resampled_ticks(ticks, digits=5, seed=3)
    assert block >= 1.0
    np.testing.assert_array_equal(drawn["time_ns"], ticks["time_ns"])
    np.testing.assert_allclose(drawn["ask"] - drawn["bid"], 1e-4, atol=1e-9)
    moved, before = (np.diff(np.log(t["bid"])).std() for t in (drawn, ticks))
    assert moved == pytest.approx(before, rel=0.05)
    assert (drawn["bid"] != ticks["bid"]).mean() > 0.9
    assert replay(CATALOGUE["ma_cross"], drawn).n_ticks == 5000
    whole, _ = resampled_ticks(ticks, block=1e12, digits=5, seed=3)  # one block: the record turned like a wheel
    a, b = np.diff(whole["bid"]), np.diff(ticks["bid"])
    turned = min(float(np.abs(np.roll(b, k) - a).mean()) for k in range(0, len(b)))
    assert turned < 1e-5


def test_drawn_bars_are_bars() -> None:
    recorded = bars(walk(20_000), "1m")
    drawn, _ = resampled_bars(recorded, block=10.0, digits=5)
    np.testing.assert_array_equal(drawn["time_ns"], recorded["time_ns"])
    assert (drawn["high"] >= np.maximum(drawn["open"], drawn["close"])).all()
    assert (drawn["low"] <= np.minimum(drawn["open"], drawn["close"])).all()
    assert (drawn["close"] != recorded["close"]).mean() > 0.9
    assert np.log(drawn["high"] / drawn["low"]).mean() == pytest.approx(
        np.log(recorded["high"] / recorded["low"]).mean(), rel=0.1
    )


def test_a_pattern_within_blocks_survives_other_prices_and_the_luck_of_one_path_does_not() -> None:
    # The price steps up and down in turn, ten points at a time: buying low earns on any market made of such blocks.
    n_ticks = 3000
    mid = 1.1 + np.where(np.arange(n_ticks) // 10 % 2, 1e-3, 0.0)
    times = 1_549_238_400 * 10**9 + np.arange(n_ticks) * 10**9
    ticks = make_ticks(times, np.round(mid, 5), np.round(mid + 1e-5, 5))

    @strategy(on="tick", features={"moved": f.price_change(5)})
    def against(x, position, p):
        return -1.0 if x.moved > 5e-4 else 1.0 if x.moved < -5e-4 else position.exposure

    found = monte_carlo_prices(against, ticks, n_draws=12, block=300.0, costs=Costs(latency_ms=0), progress=False)
    assert found.observed_final > 10_000
    assert found.loss_probability == 0.0
    assert found.paths.shape == (12, 251)
    assert (found.paths[:, 0] == 10_000).all()
    np.testing.assert_array_equal(found.paths[:, -1], found.final_equity)


def test_a_random_walk_gives_a_run_no_standing_among_drawn_markets() -> None:
    found = monte_carlo_prices(CATALOGUE["ma_cross"], walk(6000), n_draws=40, progress=False)
    assert 0.0 < found.luck <= 1.0
    again = monte_carlo_prices(CATALOGUE["ma_cross"], walk(6000), n_draws=40, progress=False)
    np.testing.assert_array_equal(found.final_equity, again.final_equity)


def test_what_cannot_be_drawn_is_refused_in_words() -> None:
    with pytest.raises(BadData, match="at least one closed trade"):
        monte_carlo_trades([], deposit=100.0)
    with pytest.raises(BadData, match="give the deposit"):
        monte_carlo_trades([1.0])
    with pytest.raises(BadData, match="above -1"):
        monte_carlo_returns([0.1, -1.0])
    with pytest.raises(BadData, match="number of draws"):
        monte_carlo_returns([0.1, 0.2], n_draws=0)
    with pytest.raises(BadData, match="at least 3 ticks"):
        resampled_ticks(walk(2))
    with pytest.raises(BadData, match="dtype BAR"):
        resampled_bars(walk(20))
    with pytest.raises(BadData, match="multiplied with 0 or more"):
        with_spread(walk(20), -1.0)

    @strategy(on="tick", features={"other": f.outside("GBPUSD")})
    def reads(x, position, p):
        return 1.0

    with pytest.raises(BadData, match="belong to the recorded prices"):
        monte_carlo_prices(reads, walk(100))

    @strategy(on="tick", features={"fast": f.ema(2)})
    def raises(x, position, p):
        return {}["nothing"]

    with pytest.raises(BadData, match="must run to the end"):
        monte_carlo_prices(raises, walk(100), progress=False)
