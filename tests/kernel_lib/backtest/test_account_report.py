"""The report on an account: shares that add up, by hand, and pages that show them."""

import numpy as np
import pytest

from kernel_lib.backtest import AccountReplay, Member, replay_account
from kernel_lib.backtest.counting import tally_of
from tests.kernel_lib.backtest.account_cases import FREE, WIDE, holds, quotes


def fallen() -> AccountReplay:
    """Up by 200 and 100, then down by 600 and up by 150: a fall of 450 to which the first brought 600."""
    ticks = {
        "EURUSD": quotes((0, 1.25, 1.25), (10, 1.252, 1.252), (20, 1.246, 1.246), (30, 1.246, 1.246)),
        "GBPUSD": quotes((0, 1.5, 1.5), (10, 1.501, 1.501), (20, 1.5025, 1.5025), (30, 1.5025, 1.5025)),
    }
    members = [Member(holds(1.0), "EURUSD", name="<euro>"), Member(holds(1.0, until=30), "GBPUSD", name="pound")]
    return replay_account(members, ticks, limits=WIDE, costs=FREE)


def test_each_members_share_of_profit_and_of_the_deepest_fall_by_hand() -> None:
    report = fallen().report()
    members = report.members
    assert members["net_profit_money"].tolist() == pytest.approx([-400.0, 250.0])
    assert members["profit_share_pct"].tolist() == pytest.approx([-400 / -1.5, 250 / -1.5])
    assert members["drawdown_money"].tolist() == pytest.approx([600.0, -150.0])
    assert members["drawdown_share_pct"].tolist() == pytest.approx([600 / 4.5, -150 / 4.5])
    assert members["trades_count"].tolist() == [0, 1]
    assert report.statistics["max_drawdown_money"] == pytest.approx(600.0)  # before the pounds' tick of that second
    assert report.statistics["turnover_lots"] == pytest.approx(3.0)
    assert report.statistics["exposure_time_pct"] == pytest.approx(100.0)


def test_members_curves_add_up_to_the_accounts() -> None:
    run = fallen()
    made = sum(each.equity["equity_minor"] - 10_000_00 for each in run.members)
    assert np.allclose(made + 10_000_00, run.equity["equity_minor"], rtol=0, atol=1e-6)
    closed = np.sum([each.equity["balance_minor"] - 10_000_00 for each in run.members], axis=0)
    assert (closed + 10_000_00).tolist() == run.equity["balance_minor"].tolist()


def test_trades_say_whose_they_are() -> None:
    trades = fallen().trades
    assert trades[["member", "symbol", "lots", "profit"]].to_numpy().tolist() == [["pound", "GBPUSD", 1.0, 250.0]]


def test_correlation_has_a_row_a_member() -> None:
    report = fallen().report()
    assert report.correlation.shape == (2, 2)
    assert list(report.correlation.index) == ["<euro>", "pound"]


def test_the_page_names_every_member_and_lets_no_name_be_markup() -> None:
    report = fallen().report()
    for page in (report.to_html(), report._repr_html_()):
        assert "Members" in page
        assert "&lt;euro&gt;" in page
        assert "<euro>" not in page
    assert "pound" in repr(report)
    assert "drawdown_money" in repr(report)


def test_every_member_is_counted_as_a_trial_of_its_strategy() -> None:
    before = tally_of("_holds", "GBPUSD").n_runs
    run = fallen()
    assert tally_of("_holds", "GBPUSD").n_runs == before + 1
    assert run.report().honesty.n_trials >= 2


def test_a_member_has_a_report_of_its_own() -> None:
    report = fallen()["pound"].report()
    assert report.statistics["net_profit_money"] == pytest.approx(250.0)
    assert report.statistics["trades_count"] == 1
