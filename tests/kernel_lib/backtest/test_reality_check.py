"""White's and Hansen's tests: against the exact distribution, against arch, and their rate of false alarms."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from kernel_lib.backtest.reality_check import reality_check, superior_ability
from kernel_lib.errors import BadData


def trials(seed: int = 7, n_periods: int = 500, n_trials: int = 20) -> np.ndarray:
    """The table on which arch was run, see below."""
    noise = np.random.default_rng(seed).normal(0, 0.01, (n_periods, n_trials))
    return noise + np.linspace(-0.002, 0.001, n_trials)


def test_the_p_values_of_arch_8() -> None:
    # arch.bootstrap.SPA 8.0.0, 20,000 draws of mean block 5: lower 0.14505, consistent 0.2216, upper 0.3522, whether
    # studentize is on or off. The error of 20,000 draws is 0.0034, of two such runs' difference 0.0048.
    found = superior_ability(trials(), n_draws=20_000, block=5.0, studentized=False)
    assert found.p_lower == pytest.approx(0.14505, abs=0.012)
    assert found.p_value == pytest.approx(0.2216, abs=0.0145)
    assert found.p_upper == pytest.approx(0.3522, abs=0.0145)
    assert reality_check(trials(), n_draws=20_000, block=5.0).p_value == pytest.approx(0.3522, abs=0.0145)
    assert (found.best, found.n_trials, found.n_periods) == ("x17", 20, 500)


def test_of_one_trial_the_p_value_is_that_of_its_t_statistic() -> None:
    returns = np.random.default_rng(3).normal(0.0006, 0.01, (1000, 1))
    t = float(math.sqrt(1000) * returns.mean() / returns.std())
    found = superior_ability(returns, n_draws=20_000, block=1.0)
    assert found.statistic == pytest.approx(t)
    assert found.p_value == pytest.approx(1 - norm.cdf(t), abs=0.01)
    assert reality_check(returns, n_draws=20_000, block=1.0).p_value == pytest.approx(1 - norm.cdf(t), abs=0.01)


def test_of_independent_trials_the_p_value_is_that_of_the_largest_of_so_many_normals() -> None:
    returns = np.random.default_rng(4).normal(0.0, 0.01, (1500, 10))
    t = math.sqrt(1500) * returns.mean(axis=0) / returns.std(axis=0)
    found = superior_ability(returns, n_draws=20_000, block=1.0)
    assert found.p_upper == pytest.approx(1 - norm.cdf(t.max()) ** 10, abs=0.015)


def test_the_rate_of_false_alarms_is_near_what_is_promised() -> None:
    random = np.random.default_rng(5)
    alarms = np.zeros(2)
    for _ in range(400):
        common = random.normal(0, 0.01, (250, 1))
        luck = 0.5 * common + random.normal(0, 0.01, (250, 15))
        alarms += (
            superior_ability(luck, n_draws=200, block=2.0).p_value < 0.1,
            reality_check(luck, n_draws=200, block=2.0).p_value < 0.1,
        )
    assert 0.055 < alarms[0] / 400 < 0.145  # 0.1, three deviations of 400 draws
    assert 0.055 < alarms[1] / 400 < 0.145


def test_a_crowd_of_poor_trials_blinds_white_and_not_hansen() -> None:
    random = np.random.default_rng(6)
    good = random.normal(0.0012, 0.01, (500, 1))
    poor = random.normal(-0.01, 0.06, (500, 60))
    both = np.hstack([poor, good])
    assert reality_check(both, n_draws=500, block=1.0).p_value > 0.5
    found = superior_ability(both, n_draws=500, block=1.0)
    assert found.best == "x60"
    assert found.p_value < 0.1
    assert found.p_lower <= found.p_value <= found.p_upper


def test_the_benchmark_counts_by_period_and_columns_are_named() -> None:
    random = np.random.default_rng(8)
    market = random.normal(0.002, 0.01, 300)
    frame = pd.DataFrame({"follows": market + random.normal(0, 1e-3, 300), "behind": market - 0.001})
    assert reality_check(frame, n_draws=300).p_value < 0.05
    against = reality_check(frame, market, n_draws=300)
    assert against.best == "follows"
    assert against.p_value > 0.05
    assert "follows" in repr(against)
    assert "follows" in against._repr_html_()


def test_a_seed_gives_the_same_p_value() -> None:
    assert superior_ability(trials(), n_draws=100, seed=3) == superior_ability(trials(), n_draws=100, seed=3)


def test_tables_that_cannot_be_tested_are_refused_in_words() -> None:
    with pytest.raises(BadData, match="must differ from the benchmark"):
        superior_ability(np.zeros((50, 3)))
    with pytest.raises(BadData, match="at least 10 rows"):
        reality_check(np.ones((5, 3)))
    with pytest.raises(BadData, match="have 500 periods"):
        reality_check(trials(), np.zeros(20))
    with pytest.raises(BadData, match="no NaN"):
        reality_check(trials(), math.nan)
