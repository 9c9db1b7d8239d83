"""The probability of backtest overfitting: cases whose answer is known, and the paper's two extremes."""

import math

import numpy as np
import pytest

from kernel_lib.backtest.overfitting import backtest_overfitting
from kernel_lib.errors import BadData


def test_three_trials_over_two_blocks_by_hand() -> None:
    # Means by block (deviations alike): first half 3, 2, 1; second half 1, 2, 3. Picked on the first: trial 0, which
    # is last of three then, rank 1 / 4; picked on the second: trial 2, last again. Logit log(1/3) twice.
    wave = np.array([0.1, -0.1])
    first = np.column_stack([wave + 0.3, wave + 0.2, wave + 0.1])
    second = np.column_stack([wave + 0.1, wave + 0.2, wave + 0.3])
    found = backtest_overfitting(np.vstack([first, second]), 2)
    np.testing.assert_allclose(found.logits, [math.log(1 / 3)] * 2)
    assert found.picked.tolist() == [0, 2]
    assert found.probability == 1.0
    deviation = math.sqrt(0.02)
    np.testing.assert_allclose(found.in_sample, 0.3 / deviation)
    np.testing.assert_allclose(found.out_of_sample, 0.1 / deviation)
    assert math.isnan(found.slope)
    assert found.loss_probability == 0.0


def test_a_truly_better_trial_is_never_overfitted() -> None:
    random = np.random.default_rng(2)
    returns = random.normal(0, 0.01, (1000, 50))
    returns[:, 11] += 0.005
    found = backtest_overfitting(returns, 10)
    assert found.probability == 0.0
    assert set(found.picked.tolist()) == {11}
    assert len(found.logits) == math.comb(10, 5)


def test_of_trials_whose_whole_histories_are_level_the_best_half_has_the_worst_rest() -> None:
    # The paper's full overfit: where all trials have one mean and one deviation over the whole history, what is best in
    # one half must be worst in the other.
    random = np.random.default_rng(3)
    returns = random.normal(0, 0.01, (800, 40))
    returns -= returns.mean(axis=0)
    found = backtest_overfitting(returns, 8)
    assert found.probability == 1.0
    assert found.slope == pytest.approx(-1.0, abs=0.15)
    assert found.loss_probability == 1.0


def test_pure_luck_is_a_coin_toss_on_average() -> None:
    found = [
        backtest_overfitting(np.random.default_rng(seed).normal(0, 0.01, (320, 20)), 8).probability
        for seed in range(60)
    ]
    # Half with an even spread; splits of one history are dependent, so one history alone says little.
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_the_sharpe_ratio_from_sums_is_that_of_the_rows() -> None:
    returns = np.random.default_rng(4).normal(0.0005, 0.01, (203, 6)) + 5.0
    fast = backtest_overfitting(returns, 6)
    slow = backtest_overfitting(returns, 6, measure=lambda r: r.mean() / r.std(ddof=1))
    np.testing.assert_allclose(fast.in_sample, slow.in_sample, rtol=1e-9)
    np.testing.assert_allclose(fast.out_of_sample, slow.out_of_sample, rtol=1e-9)
    assert fast.probability == slow.probability


def test_equal_trials_share_the_middle_rank() -> None:
    column = np.random.default_rng(5).normal(0, 1, (40, 1))
    found = backtest_overfitting(np.hstack([column] * 4), 4)
    np.testing.assert_allclose(found.logits, 0.0, atol=1e-12)  # rank 2.5 of 5
    flat = backtest_overfitting(np.zeros((40, 3)), 4)
    np.testing.assert_allclose(flat.in_sample, 0.0)


def test_rows_that_do_not_fill_the_blocks_are_left_out_at_the_start() -> None:
    returns = np.random.default_rng(6).normal(0, 1, (43, 5))
    np.testing.assert_array_equal(backtest_overfitting(returns, 4).logits, backtest_overfitting(returns[3:], 4).logits)


def test_the_finding_is_drawn_and_put_in_words() -> None:
    found = backtest_overfitting(np.random.default_rng(7).normal(0, 0.01, (160, 10)), 6)
    assert len(found.plot().axes) == 2
    assert "splits" in found.verdict
    assert "Overfitting" in found._repr_html_()
    assert "10 trials" in repr(found)


def test_tables_that_say_nothing_are_refused_in_words() -> None:
    good = np.random.default_rng(8).normal(0, 1, (64, 4))
    with pytest.raises(BadData, match="several trials"):
        backtest_overfitting(good[:, :1])
    for bad in (3, 0, True, 2.0):
        with pytest.raises(BadData, match="even number"):
            backtest_overfitting(good, bad)  # type: ignore[arg-type]
    with pytest.raises(BadData, match="at most 200,000 splits"):
        backtest_overfitting(good, 22)
    with pytest.raises(BadData, match="need at least 32 periods"):
        backtest_overfitting(good[:10], 16)
    with pytest.raises(BadData, match="NaN for 1"):
        backtest_overfitting(good, 4, measure=lambda r: math.nan if r[0] in good[:, 1] else 1.0)
