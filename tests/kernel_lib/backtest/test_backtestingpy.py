"""The recorded runs of backtesting.py 0.6.6: ours under the same rules, trade by trade and by its statistics.

Its conventions, and what they are here: a signal at a bar's close is filled at the next open (decisions on bars,
no latency); a relative commission on both sides, or a spread that only an entry pays, are commissions of a share of the
deal's worth, on exits too or not; a new order closes what is held (a target does); the size is what the equity buys at
the fill (the decision reckons it); money is not rounded to cents (an account with six digits); equity is marked at
the closes of bars (from our fills; the report marks at every tick).
"""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import Replay, replay
from kernel_lib.market.bar import BAR, Bars
from kernel_lib.market.instrument import Instrument
from kernel_lib.strategy import FixedLots, Strategy, strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import Kind

ROOM = 1_000_000.0  # exposure 1; more than any of the runs holds
LIMITS = RiskLimits(max_lots=ROOM, daily_loss_fraction=1.0, orders_per_minute=256, max_spread_points=0)
ACCOUNT = AccountConfig(digits=6, leverage=1e6, margin_call_fraction=0.0, stop_out_fraction=0.0, server_zone="UTC")


def unit_contract(symbol: str, digits: int) -> Instrument:
    return Instrument(
        symbol=symbol, digits=digits, point=10.0**-digits, tick_size=10.0**-digits, contract_size=1.0, lot_step=1.0,
        min_lots=1.0, max_lots=ROOM, currency_profit="USD",
    )  # fmt: skip


def read(path: Path) -> tuple[Bars, pd.DataFrame]:
    frame = pd.read_csv(path, index_col=0, parse_dates=True)
    bars = np.zeros(len(frame), BAR)
    bars["time_ns"] = frame.index.to_numpy().astype("datetime64[ns]").astype(np.int64)
    for name in ("Open", "High", "Low", "Close"):
        bars[name.lower()] = frame[name]
    bars["volume"] = 4
    return bars, frame


def sma_cross(
    every: str, fast: int, slow: int, *, leverage: float = 1.0, relative: float = 0.0, spread: float = 0.0,
    fixed: float = 0.0,
) -> Strategy:  # fmt: skip
    """Its SmaCross: the average now against the one before, of which the sums differ by one change of price."""
    full = 1.0 - 2.220446049250313e-16

    @strategy(
        on=every, sizing=FixedLots(ROOM),
        features={"fast": f.sma(fast, bars=every), "slow": f.sma(slow, bars=every),
                  "new": f.price_change(fast, bars=every), "old": f.price_change(slow, bars=every)},
        params={"fixed": fixed},
    )  # fmt: skip
    def cross(x, position, p):
        above, was_above = x.fast - x.slow, (x.fast - x.new / fast) - (x.slow - x.old / slow)
        side = 1.0 if was_above < -1e-9 and above > 1e-9 else -1.0 if was_above > 1e-9 and above < -1e-9 else 0.0
        if side == 0.0:
            return position.exposure
        equity = position.equity - relative * abs(position.lots) * x.bid
        price = x.bid * (1.0 + side * spread) + full * relative * x.bid
        bought = p.fixed if p.fixed > 0.0 else math.floor(equity * leverage * full / price)
        return side * bought / 1_000_000.0

    return cross


def reproduced(data_dir: Path, name: str) -> tuple[Replay, pd.DataFrame, dict[str, float], Bars]:
    folder = data_dir / "reference" / "backtestingpy"
    if not folder.is_dir():
        pytest.skip(f"recorded runs of backtesting.py are absent: {folder}")
    expected = next(each for each in json.loads((folder / "expected.json").read_text())["runs"] if each["name"] == name)
    trades = pd.read_csv(folder / f"{name}_trades.csv", parse_dates=["EntryTime", "ExitTime"])
    if name.startswith("goog"):
        bars, _ = read(data_dir / "bars" / "backtestingpy_GOOG.csv")
        chosen, contract = sma_cross("1d", 10, 20, relative=0.002), unit_contract("GOOG", 2)
        costs = Costs(commission_per_lot=0.0, commission_fraction=0.002, latency_ms=0.0, swap=False)
    else:
        bars, _ = read(data_dir / "bars" / "backtestingpy_EURUSD.csv")
        fixed = 5000.0 if name.endswith("5000") else 0.0
        chosen, contract = sma_cross("1h", 20, 50, leverage=30.0, spread=1e-4, fixed=fixed), unit_contract("EURUSD", 5)
        costs = Costs(
            commission_per_lot=0.0, commission_fraction=1e-4, commission_on_exit=False, latency_ms=0.0, swap=False
        )
    run = replay(
        chosen, bars, mode="m1", spread_points=0, instrument=contract, account=ACCOUNT, limits=LIMITS, costs=costs
    )
    return run, trades, expected["stats"], bars


RUNS = ("goog_sma10_20", "eurusd_sma20_50_spread", "eurusd_sma20_50_size5000")


@pytest.mark.parametrize("name", RUNS)
def test_every_trade_is_the_same(data_dir: Path, name: str) -> None:
    run, theirs, _, _ = reproduced(data_dir, name)
    ours = run.trades
    assert len(ours) == len(theirs) > 90
    opened, closed = (pd.to_datetime(ours[f"{end}_time_ns"]) for end in ("open", "close"))
    assert opened.tolist() == theirs["EntryTime"].tolist()
    assert closed.tolist() == theirs["ExitTime"].tolist()
    sides = np.where(ours["side"] == "long", 1, -1)
    assert (ours["lots"] * sides).astype(int).tolist() == theirs["Size"].tolist()
    spread = 0.0 if name.startswith("goog") else 1e-4
    np.testing.assert_allclose(ours["open_price"] * (1 + spread * sides), theirs["EntryPrice"], rtol=1e-12)
    np.testing.assert_allclose(ours["close_price"], theirs["ExitPrice"], rtol=1e-12)
    np.testing.assert_allclose(ours["net_profit"], theirs["PnL"], atol=2e-6)


def hold_from(name: str) -> int:
    """The first bar that its strategy is asked at: when the slow average is there."""
    return 19 if name.startswith("goog") else 49


def at_closes(run: Replay, bars: Bars) -> np.ndarray:
    """Cash and position after our fills, marked at each bar's close."""
    fills = run.events[run.events["kind"] == int(Kind.FILL)]
    bought = fills["side"] * fills["units"]
    paid = bought * fills["points"] * run.instrument.point + fills["commission_minor"] / 1e6
    after = np.searchsorted(fills["time_ns"], bars["time_ns"], side="right")
    cash, held = (np.concatenate([[0.0], np.cumsum(each)])[after] for each in (paid, bought))
    equity: np.ndarray = 10_000.0 - cash + held * bars["close"]
    assert equity[-1] == pytest.approx(run.book.numbers["equity_minor"] / 1e6)
    return equity


def falls(equity: np.ndarray, bars: Bars) -> tuple[np.ndarray, np.ndarray]:
    """Depth in percent and nanoseconds of each fall that lasted more than one bar, from peak to peak or to the end."""
    depth = 100 * (equity / np.maximum.accumulate(equity) - 1)
    peaks = np.unique(np.append(np.flatnonzero(depth == 0), len(depth) - 1))
    pairs = [(first, last) for first, last in itertools.pairwise(peaks.tolist()) if last > first + 1]
    lengths = [int(bars["time_ns"][last] - bars["time_ns"][first]) for first, last in pairs]
    return np.array([depth[first : last + 1].min() for first, last in pairs]), np.array(lengths)


@pytest.mark.parametrize("name", RUNS)
def test_its_statistics_follow_from_our_equity_and_trades(data_dir: Path, name: str) -> None:
    run, _, theirs, bars = reproduced(data_dir, name)
    equity = at_closes(run, bars)
    ours: dict[str, Any] = {"Equity Final [$]": equity[-1], "Equity Peak [$]": equity.max()}
    ours["Return [%]"] = 100 * (equity[-1] / 10_000 - 1)
    ours["Max. Drawdown [%]"] = 100 * (equity / np.maximum.accumulate(equity) - 1).min()
    trades = run.trades
    net = trades["net_profit"].to_numpy()
    spread = 0.0 if name.startswith("goog") else 1e-4
    sides = np.where(trades["side"] == "long", 1, -1)
    returns = net / (trades["lots"] * trades["open_price"] * (1 + spread * sides)).to_numpy()
    ours |= {
        "# Trades": len(trades), "Win Rate [%]": 100 * (net > 0).mean(), "Best Trade [%]": 100 * returns.max(),
        "Worst Trade [%]": 100 * returns.min(), "Expectancy [%]": 100 * returns.mean(),
        "Avg. Trade [%]": 100 * (math.exp(np.log1p(returns).mean()) - 1),
        "Profit Factor": returns[returns > 0].sum() / -returns[returns < 0].sum(),
        "SQN": math.sqrt(len(net)) * net.mean() / net.std(ddof=1),
        "Kelly Criterion": (net > 0).mean() - (net <= 0).mean() / (net[net > 0].mean() / -net[net < 0].mean()),
    }  # fmt: skip
    # Its yearly figures are of the days' last equities: the geometric mean of their changes.
    days = pd.Series(equity, pd.to_datetime(bars["time_ns"])).resample("D").last().dropna()
    daily = days.pct_change().to_numpy()[1:]
    mean = math.exp(np.log1p(daily).sum() / len(daily)) - 1
    yearly = (1 + mean) ** 252 - 1
    volatility = math.sqrt((daily.var(ddof=1) + (1 + mean) ** 2) ** 252 - (1 + mean) ** (2 * 252))
    below = math.sqrt((np.minimum(daily, 0) ** 2).mean()) * math.sqrt(252)
    held = np.zeros(len(bars), bool)
    ends = [np.searchsorted(bars["time_ns"], trades[f"{end}_time_ns"]) for end in ("open", "close")]
    for first, last in zip(*ends, strict=True):
        held[first : last + 1] = True
    ours |= {
        "Return (Ann.) [%]": 100 * yearly, "Volatility (Ann.) [%]": 100 * volatility,
        "Sharpe Ratio": yearly / volatility, "Sortino Ratio": yearly / below,
        "Calmar Ratio": yearly / (-ours["Max. Drawdown [%]"] / 100), "Exposure Time [%]": 100 * held.mean(),
        "Buy & Hold Return [%]": 100 * (bars["close"][-1] / bars["close"][hold_from(name)] - 1),
    }  # fmt: skip
    if "Commissions [$]" in theirs:
        ours["Commissions [$]"] = trades["commission"].sum()
    # Growth by calendar years; beta of the log changes from close to close, alpha over the whole run.
    years = (bars["time_ns"][-1] - bars["time_ns"][0]) / (365.25 * 86_400e9)
    moved, market = np.diff(np.log(equity)), np.diff(np.log(bars["close"]))
    ours["CAGR [%]"] = 100 * ((equity[-1] / equity[0]) ** (1 / years) - 1)
    ours["Beta"] = np.cov(moved, market)[0, 1] / market.var(ddof=1)
    ours["Alpha [%]"] = ours["Return [%]"] - ours["Beta"] * ours["Buy & Hold Return [%]"]
    ours["Avg. Drawdown [%]"] = falls(equity, bars)[0].mean()
    for what, number in ours.items():
        assert number == pytest.approx(theirs[what], rel=1e-6), what
    lengths = falls(equity, bars)[1]
    held_ns = (trades["close_time_ns"] - trades["open_time_ns"]).to_numpy()
    durations = {
        "Max. Drawdown Duration": lengths.max(), "Avg. Drawdown Duration": lengths.mean(),
        "Max. Trade Duration": held_ns.max(), "Avg. Trade Duration": held_ns.mean(),
        "Duration": bars["time_ns"][-1] - bars["time_ns"][0],
    }  # fmt: skip
    for what, number in durations.items():  # rounded up to the bar
        assert pd.Timedelta(number).ceil("D" if name.startswith("goog") else "h") == pd.Timedelta(theirs[what]), what
    assert set(theirs) == {"Start", "End", *ours, *durations}
    report = run.report().statistics
    assert report["trades_count"] == theirs["# Trades"]
    assert report["final_equity_money"] == pytest.approx(theirs["Equity Final [$]"], abs=2e-2)
    assert report["win_rate_pct"] == pytest.approx(theirs["Win Rate [%]"])
    # The same growth; its last tick comes within the last bar, so that the years are a little longer.
    longer = (report["duration_days"] / 365.25) / years
    growth = (1 + report["annual_return_pct"] / 100) ** longer - 1
    assert 100 * growth == pytest.approx(theirs["CAGR [%]"], rel=1e-5)
