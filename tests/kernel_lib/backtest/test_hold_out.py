"""The verdict on the hold-out by hand, and that it says no more than it should."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kernel_lib.backtest.hold_out import Verdict, stopped_verdict, verdict_on
from kernel_lib.backtest.loop import EQUITY
from kernel_lib.backtest.sharpe import deflated_sharpe_ratio
from kernel_lib.errors import BadData
from kernel_lib.market.instrument import EURUSD
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import EVENT, Kind

T0 = 1_549_238_400 * 10**9
DAY = 86_400 * 10**9


def run_of(returns: Any, n_trades: int) -> Any:
    """A run of one equity point a day."""
    worth = 1_000_000 * np.cumprod(1.0 + np.asarray(returns))
    equity = np.zeros(len(worth), EQUITY)
    equity["time_ns"] = T0 + np.arange(len(worth)) * DAY
    equity["equity_minor"] = worth
    book = Book(EURUSD, AccountConfig(), RiskLimits(), Costs())
    book.arrays.book["equity_minor"] = worth[-1]
    events = np.zeros(n_trades + 3, EVENT)
    events["kind"][:n_trades] = int(Kind.CLOSED)
    span = T0, T0 + (len(worth) - 1) * DAY
    return SimpleNamespace(book=book, events=events, equity=equity, span_ns=span, n_ticks=10, fault="")


STEADY = np.tile([0.004, -0.001], 30)
"""Mean 0.0015, deviation 0.0025210 (n - 1): 0.595 a day, 9.446 a year."""


def test_a_steady_profit_passes_and_the_figures_are_coarse() -> None:
    verdict = verdict_on(run_of(STEADY, 120), 1)
    assert verdict == Verdict(
        verdict="pass", profit="+", sharpe="above 3", trades="100 to 299", days=59,
        reason="better than the luck of one look with a probability of 95 % or more, after the costs that the author's "
        "passport states",
    )  # fmt: skip


def test_a_loss_fails_and_few_trades_say_little() -> None:
    assert verdict_on(run_of(-STEADY, 120), 1).verdict == "fail"
    assert verdict_on(run_of(-STEADY, 120), 1).sharpe == "below -1"
    for returns in (STEADY, -STEADY):
        few = verdict_on(run_of(returns, 29), 1)
        assert (few.verdict, few.trades) == ("inconclusive", "1 to 29")
    idle = verdict_on(run_of(np.zeros(60), 0), 1)
    assert (idle.verdict, idle.profit, idle.sharpe, idle.trades) == ("inconclusive", "0", "?", "0")


def test_each_look_at_the_same_hold_out_asks_for_more() -> None:
    returns = np.tile([0.005, -0.003], 40) + 1e-4
    run = run_of(returns, 500)
    bars = {n: deflated_sharpe_ratio(returns, n, periods_per_year=252) >= 0.95 for n in (1, 2, 5, 20, 100)}
    assert bars[1]
    assert not bars[100]
    for n_looks, passes in bars.items():
        assert (verdict_on(run, n_looks).verdict == "pass") == passes, n_looks
    assert verdict_on(run, 100).reason == (
        "a profit after the costs that the author's passport states, which is not told from luck"
    )


def test_every_verdict_on_money_says_whose_costs_it_is_after() -> None:
    lucky = np.tile([0.005, -0.003], 40) + 1e-4
    told = [verdict_on(run_of(returns, 500), n) for returns, n in ((STEADY, 1), (-STEADY, 1), (lucky, 100))]
    assert [each.verdict for each in told] == ["pass", "fail", "inconclusive"]
    for each in told:
        assert "after the costs that the author's passport states" in each.reason


def test_near_runs_are_told_in_the_same_words() -> None:
    told = {verdict_on(run_of(STEADY * (1.0 + k / 1000), 120 + k), 1) for k in range(40)}
    assert len(told) == 1


@pytest.mark.parametrize("why", ["not_loaded", "raised", "bad_answer", "no_answer", "ended", "time"])
def test_a_run_that_did_not_end_well_is_inconclusive_and_says_no_figure(why: str) -> None:
    verdict = stopped_verdict(why)
    assert (verdict.verdict, verdict.profit, verdict.sharpe, verdict.trades) == ("inconclusive", "?", "?", "?")
    assert verdict.reason


def test_a_reason_of_other_origin_is_refused() -> None:
    with pytest.raises(BadData, match="ends early for one of"):
        stopped_verdict("EURUSD 1.23456 at noon")
