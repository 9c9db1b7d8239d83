"""The report: statistics by hand, the honesty block, breakdowns, pictures, pages that stand alone, advice."""

import html.parser
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.breakdown import breakdown, regime_labels
from kernel_lib.backtest.report import Report, compare
from kernel_lib.backtest.sharpe import deflated_sharpe_ratio, probabilistic_sharpe_ratio
from kernel_lib.backtest.tearsheet import figures_of
from kernel_lib.errors import BadData
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import FixedLots, strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from tests.kernel_lib.backtest.test_replay import walk

T0 = 1_549_238_400 * 10**9  # Monday, 4 February 2019, 00:00 UTC
HOUR = 3600 * 10**9
FREE = Costs(commission_per_lot=0.0, latency_ms=0, swap=False)


@strategy(on="tick", features={"price": f.sma(1)}, sizing=FixedLots(1.0))
def below_buys(x, position, p):
    """Long below 1.1005, short above 1.1015, else flat."""
    return 1.0 if x.price < 1.1005 else -1.0 if x.price > 1.1015 else 0.0


def by_the_hour(mids: list[float]) -> np.ndarray:
    """Two quotes at the beginning of each hour, without a spread: the first decides, the second shows the fill."""
    times = T0 + np.repeat(np.arange(len(mids)), 2) * HOUR + np.tile([0, 10**9], len(mids))
    price = np.repeat(np.round(mids, 5), 2)
    return make_ticks(times, price, price)


# Bought at 1.1000 and sold at 1.1010 (+100), short at 1.1020 and covered at 1.1010 (+100), bought at 1.1000 and sold at
# 1.1008 (+80), short at 1.1020 and covered at 1.1014 (+60).
MIDS = [1.1000, 1.1010, 1.1020, 1.1010, 1.1000, 1.1008, 1.1020, 1.1014]


def test_the_figures_of_four_trades_by_hand() -> None:
    run = replay(below_buys, by_the_hour(MIDS), costs=FREE)
    report = run.report()
    got = report.statistics
    np.testing.assert_allclose(report.trades["net_profit"], [100.0, 100.0, 80.0, 60.0])
    assert (got["trades_count"], got["long_trades_count"], got["short_trades_count"]) == (4, 2, 2)
    assert got["net_profit_money"] == got["final_equity_money"] - 10_000 == pytest.approx(340.0)
    assert got["win_rate_pct"] == 100.0
    assert got["expectancy_money"] == pytest.approx(85.0)
    assert got["turnover_lots"] == pytest.approx(8.0)
    assert got["longest_losing_streak_count"] == 0
    # The deviation of 100, 100, 80, 60 is sqrt(1100 / 3) = 19.1485; 85 / 19.1485 * 2.
    assert got["system_quality_number"] == pytest.approx(8.8780, abs=1e-4)
    assert got["longest_under_water_days"] == 0.0
    # Equity by hour: 10,000, then each hour's end: no move in the hours of entry, 100, 0, 100, 0, 80, 0, 60.
    assert report.periods.name == "hour"
    worth = np.array([10_000, 10_000, 10_100, 10_100, 10_200, 10_200, 10_280, 10_280, 10_340.0])
    np.testing.assert_allclose(report.periods.returns, np.diff(worth) / worth[:-1], atol=1e-12)
    returns = report.periods.returns
    expected = returns.mean() / returns.std(ddof=1) * math.sqrt(252 * 24)
    assert got["sharpe_ratio"] == pytest.approx(expected)
    assert got["probabilistic_sharpe_ratio"] == probabilistic_sharpe_ratio(returns, periods_per_year=252 * 24)


def test_losses_water_and_streaks_by_hand() -> None:
    mids = [1.1000, 1.1010, 1.1000, 1.0990, 1.1010]
    run = replay(below_buys, by_the_hour(mids), costs=FREE)
    got = run.report().statistics
    # +100; then long from 1.1000 over 1.0990 to 1.1010: +100, a hundred under water on the way of 10,100.
    assert got["net_profit_money"] == pytest.approx(200.0)
    assert got["max_drawdown_pct"] == pytest.approx(100 * 100 / 10_100)
    assert got["longest_under_water_days"] == pytest.approx(2 / 24, rel=0.01)


def test_the_honesty_block_counts_what_it_is_told() -> None:
    run = replay(CATALOGUE["ma_cross"], walk(40_000))
    told = Report(run, n_trials=40, hold_out="2019 was never looked at")
    returns, a_year = told.periods.returns, told.periods.per_year
    assert told.honesty.deflated_sharpe == deflated_sharpe_ratio(returns, 40, periods_per_year=a_year)
    assert told.honesty.probabilistic_sharpe == probabilistic_sharpe_ratio(returns, periods_per_year=a_year)
    assert told.honesty.sharpe is not None
    assert told.honesty.sharpe.low < told.statistics["sharpe_ratio"] < told.honesty.sharpe.high
    assert told.honesty.sharpe.estimate == pytest.approx(told.statistics["sharpe_ratio"])
    assert ("Trials behind this result", "40") in told.honesty.rows()
    assert not any("hold-out" in each or "not counted" in each for each in told.honesty.warnings)
    untold = run.report()
    assert any("counted in this process only" in each for each in untold.honesty.warnings)
    assert "in this process only; " in dict(untold.honesty.rows())["Trials behind this result"]
    assert any("hold-out" in each for each in untold.honesty.warnings)
    assert "not told from luck" in told.honesty.verdict
    with pytest.raises(BadData, match="n_trials must be"):
        Report(run, n_trials=0).honesty.verdict  # noqa: B018


def test_intervals_hold_their_estimates() -> None:
    report = replay(CATALOGUE["ma_cross"], walk(40_000)).report()
    assert set(report.intervals) == {
        "annual_volatility_pct", "sharpe_ratio", "sortino_ratio", "return_pct", "win_rate_pct", "profit_factor",
        "expectancy_money",
    }  # fmt: skip
    for name, interval in report.intervals.items():
        assert interval.estimate == pytest.approx(report.statistics[name], rel=1e-3), name
        assert interval.low <= interval.high, name


def frame() -> pd.DataFrame:
    opened = [T0, T0 + HOUR // 2, T0 + HOUR, T0 + 25 * HOUR]
    return pd.DataFrame(
        {"open_time_ns": opened, "net_profit": [5.0, -1.0, 2.0, -4.0], "side": ["long", "short", "long", "long"]}
    )


def test_trades_are_grouped_by_hour_weekday_side_and_regime() -> None:
    hours = breakdown(frame(), "hour")
    assert hours.index.tolist() == [0, 1]
    assert hours["net_profit_money"].tolist() == [4.0, -2.0]
    assert hours["win_rate_pct"].tolist() == [50.0, 50.0]
    # Mean 2, deviation 4.2426 over two trades: 2 / (4.2426 / 1.41421) = 0.6667.
    assert hours.loc[0, "t_statistic"] == pytest.approx(2 / 3)
    assert breakdown(frame(), "weekday")["trades_count"].to_dict() == {"Monday": 3, "Tuesday": 1}
    assert breakdown(frame(), "month").index.tolist() == ["2019-02"]
    assert breakdown(frame(), "side").loc["long", "net_profit_money"] == 3.0
    known = (np.array([T0 + 60, T0 + HOUR]), np.array(["calm", "wild"]))
    regimes = breakdown(frame(), "regime", regimes=known)
    assert regimes["net_profit_money"].to_dict() == {"calm": -1.0, "unknown": 5.0, "wild": -2.0}
    assert math.isnan(regimes.loc["calm", "t_statistic"])
    series = pd.Series(["calm", "wild"], pd.to_datetime([T0 + 60, T0 + HOUR], utc=True))
    assert regime_labels(series, np.array([T0, T0 + HOUR])).tolist() == ["unknown", "wild"]


def test_groups_that_cannot_be_made_are_refused_in_words() -> None:
    with pytest.raises(BadData, match="grouped by hour, weekday"):
        breakdown(frame(), "moon")
    with pytest.raises(BadData, match="needs regimes="):
        breakdown(frame(), "regime")
    with pytest.raises(BadData, match="carry their zone"):
        regime_labels(pd.Series(["a"], pd.to_datetime(["2019-02-04"])), np.array([T0]))
    with pytest.raises(BadData, match="must not go back"):
        regime_labels((np.array([2, 1]), np.array(["a", "b"])), np.array([T0]))
    with pytest.raises(BadData, match="DatetimeIndex, or"):
        regime_labels([1, 2], np.array([T0]))


class Reader(html.parser.HTMLParser):
    """Collects tags, the addresses they load, and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.append(tag)
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_and_begins_with_honesty(tmp_path: Path) -> None:
    ticks = walk(40_000)
    run = replay(CATALOGUE["ma_cross"], ticks)
    known = (ticks["time_ns"][[0, 9000]], np.array(["calm", "wild"]))
    report = Report(run, ticks=ticks, n_trials=3, regimes=known)
    page = report.to_html(tmp_path / "sheet.html")
    assert (tmp_path / "sheet.html").read_text(encoding="utf-8") == page
    read = Reader(page)
    assert "script" not in read.tags
    assert read.loads
    assert all(each.startswith("data:image/png;base64,") for each in read.loads)
    assert read.tags.count("img") == len(report.figures()) == 8
    assert read.text.index("How far this can be believed") < read.text.index("Statistics")
    for heading in ("Trades on the price", "Rolling statistics", "Against holding", "Exposure and costs", "regime"):
        assert heading in read.text, heading
    report.to_pdf(tmp_path / "sheet.pdf")
    document = (tmp_path / "sheet.pdf").read_bytes()
    assert document.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", document)) == 10


def test_text_from_a_tenant_is_shown_and_never_run(tmp_path: Path) -> None:
    run = replay(CATALOGUE["ma_cross"], walk(3000))
    hostile = "<script>alert('x')</script>$\\frac{"
    run.strategy = run.strategy.with_params()
    run.strategy.name = hostile
    run.fault = hostile
    regimes = (np.array([0]), np.array([hostile]))
    report = Report(run, hold_out=hostile, regimes=regimes)
    for page in (report.to_html(), report._repr_html_(), compare([report, report]).to_html()):
        read = Reader(page)
        assert "script" not in read.tags
        assert hostile in read.text
    report.to_pdf(tmp_path / "sheet.pdf")


def test_runs_without_trades_or_with_one_have_a_sheet_too(tmp_path: Path) -> None:
    idle = replay(CATALOGUE["ma_cross"], walk(50)).report()
    assert idle.statistics["trades_count"] == 0
    assert math.isnan(idle.statistics["sharpe_ratio"])
    assert "n/a" in idle.to_html()
    assert "never called" in idle.advice()[0]
    assert "nothing can be said" in idle.honesty.verdict
    for name in ("idle.pdf", "again.pdf"):
        idle.to_pdf(tmp_path / name)
    assert (tmp_path / "idle.pdf").read_bytes() == (tmp_path / "again.pdf").read_bytes()
    one = replay(below_buys, by_the_hour([1.1, 1.101]), costs=FREE).report()
    assert one.statistics["trades_count"] == 1
    assert one.to_html()
    assert "closed trades: 1, too few" in " ".join(one.honesty.warnings)


def test_holding_the_instrument_is_the_benchmark_where_there_are_ticks() -> None:
    @strategy(on="tick", features={"price": f.sma(1)}, sizing=FixedLots(0.1))
    def holds(x, position, p):
        return 1.0

    ticks = walk(20_000)
    run = replay(holds, ticks, costs=FREE)
    got = Report(run, ticks=ticks).statistics
    # A tenth of a lot on 10,000 dollars is the worth of 10,000 euros: beta is near the price, 1.1.
    assert got["beta"] == pytest.approx(1.1, abs=0.02)
    assert got["correlation"] == pytest.approx(1.0, abs=0.01)
    assert got["benchmark_return_pct"] == pytest.approx(
        100 * (ticks["bid"][-1] + ticks["ask"][-1]) / (ticks["bid"][0] + ticks["ask"][0]) - 100
    )
    with pytest.raises(BadData, match="a benchmark must have the returns of the run's"):
        Report(run, benchmark=[0.1, 0.2])


def test_reports_side_by_side() -> None:
    ticks = walk()
    reports = [replay(CATALOGUE[name], ticks).report() for name in ("ma_cross", "breakout", "ma_cross")]
    found = compare(reports)
    assert list(found.table.columns) == ["ma_cross 1", "breakout", "ma_cross 2"]
    assert found.table.loc["net_profit_money", "breakout"] == reports[1].statistics["net_profit_money"]
    assert found.correlation.loc["ma_cross 1", "ma_cross 2"] == pytest.approx(1.0)
    assert found.correlation.loc["ma_cross 1", "breakout"] == pytest.approx(
        np.corrcoef(reports[0].periods.returns, reports[1].periods.returns)[0, 1]
    )
    assert "Correlation of returns" in found._repr_html_()
    with pytest.raises(BadData, match="at least 2 reports"):
        compare(reports[:1])
    with pytest.raises(BadData, match="a name of its own"):
        compare(reports, names=["a", "a", "b"])


def test_advice_names_what_the_figures_show() -> None:
    ticks = walk(60_000)
    said = " ".join(replay(CATALOGUE["ma_cross"], ticks).report().advice())
    assert "Do not trust this Sharpe ratio yet" in said
    assert re.search(r"takes \d+\.\d % of winners to break even; there were \d+\.\d %", said)
    denied = replay(CATALOGUE["ma_cross"], ticks, limits=RiskLimits(max_spread_points=5)).report()
    assert "denied (max_spread" in denied.advice()[0]


def test_advice_on_costs_says_what_they_took() -> None:
    mids = [1.1000, 1.1010, 1.1020, 1.1010] * 10
    dear = Costs(commission_per_lot=20.0, latency_ms=0, swap=False)
    said = " ".join(replay(below_buys, by_the_hour(mids), costs=dear).report().advice())
    # Of 20 trades at 100 dollars before costs each, 40 dollars go.
    assert "commission took 40 % of the 2,000.00 USD earned before it, over 40.00 lots" in said


def test_an_hour_that_loses_more_than_the_others_is_named() -> None:
    report = replay(CATALOGUE["ma_cross"], walk(60_000)).report()
    random = np.random.default_rng(1)
    trades = report.trades.iloc[: min(200, len(report.trades))].copy()
    n_trades = len(trades)
    hours = random.permutation(n_trades) % 4
    trades["open_time_ns"] = T0 + hours * HOUR + np.arange(n_trades)
    trades["net_profit"] = random.normal(5.0, 3.0, n_trades) - 15.0 * (hours == 2)
    from kernel_lib.backtest.advice import advice_on

    said = [each for each in advice_on(report.run, trades, report.statistics, report.honesty) if "Leave out" in each]
    assert len(said) == 1
    assert "opened in hour 2 UTC" in said[0]
    assert "among 4 looked at" in said[0]


def test_pictures_have_titles_and_leave_out_what_has_no_data() -> None:
    run = replay(CATALOGUE["ma_cross"], walk(4000))
    report = run.report()
    titles = [title for title, _ in figures_of(run, report.trades, report.periods)]
    assert "Against holding the instrument" not in titles
    assert titles[0] == "Equity, drawdown and trades"


@strategy(on="tick", features={"price": f.sma(1)}, sizing=FixedLots(1.0))
def holds_a_lot(x, position, p):
    return 1.0


def test_an_account_that_is_wiped_out_has_a_report() -> None:
    mids = np.linspace(1.1, 0.9, 60).tolist()
    account, limits = AccountConfig(leverage=500), RiskLimits(daily_loss_fraction=1.0)
    report = replay(holds_a_lot, by_the_hour(mids), costs=FREE, account=account, limits=limits).report()
    # The stop-out comes at the first quote below half of the margin, which is below zero here: more is lost than paid.
    assert report.statistics["final_equity_money"] < 0
    assert report.periods.returns.min() == -1.0
    assert report.periods.returns[np.argmin(report.periods.returns) + 1 :].tolist() == [0.0] * int(
        len(report.periods.returns) - np.argmin(report.periods.returns) - 1
    )
    assert report.to_html()


def test_a_position_that_is_open_still_is_said() -> None:
    report = replay(holds_a_lot, by_the_hour(np.linspace(1.1, 1.2, 60).tolist()), costs=FREE).report()
    assert report.advice()[0].endswith("one is open still, with 10,000.00 floating.")
