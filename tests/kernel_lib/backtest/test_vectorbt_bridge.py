"""vectorbt and back: the same trades and the same final value, and signals held as vectorbt holds them."""

import warnings

import numpy as np
import pandas as pd
import pytest

from kernel_lib.backtest import replay
from kernel_lib.backtest.vectorbt_bridge import from_signals, signal_targets, to_vectorbt
from kernel_lib.errors import BadData
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import FixedLots
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import Entry, Kind
from tests.kernel_lib.backtest.test_replay import COSTS, walk

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # vectorbt's own imports, of libraries newer than itself
    vbt = pytest.importorskip("vectorbt")

T0 = 1_549_238_400 * 10**9
MINUTE = 60 * 10**9


@pytest.mark.parametrize("with_ticks", [True, False], ids=["ticks", "fills"])
def test_trades_and_final_value_are_those_of_the_replay(with_ticks: bool) -> None:
    ticks = walk(6000)
    run = replay(CATALOGUE["ma_cross"], ticks, costs=COSTS)
    portfolio = to_vectorbt(run, ticks if with_ticks else None, every="5m")
    trades = run.trades
    theirs = portfolio.trades.closed.records
    assert len(theirs) == len(trades) > 5
    np.testing.assert_allclose(theirs["pnl"], trades["net_profit"], atol=1e-6)
    np.testing.assert_allclose(theirs["entry_price"], trades["open_price"], rtol=1e-9)
    np.testing.assert_allclose(theirs["exit_price"], trades["close_price"], rtol=1e-9)
    np.testing.assert_allclose(theirs["size"], trades["lots"] * 100_000)
    assert float(portfolio.final_value()) == pytest.approx(run.report().statistics["final_equity_money"], abs=1e-6)
    turned = (run.events["kind"] == int(Kind.FILL)) & (run.events["entry"] == int(Entry.INOUT))
    assert len(portfolio.orders.records) == run.book.numbers["n_fills"] + turned.sum()
    assert np.abs(portfolio.orders.records["fees"]).max() < 0.4  # commission of a tenth of a lot, 35 cents, and no more


def test_value_between_the_fills_is_the_equity() -> None:
    ticks = walk(6000)
    run = replay(CATALOGUE["ma_cross"], ticks, costs=Costs(latency_ms=0))
    value = to_vectorbt(run, ticks, every="5m").value()
    equity = run.equity["equity_minor"] / 100
    rows = np.searchsorted(run.equity["time_ns"], value.index.asi8 + 5 * MINUTE, side="left") - 1
    # vectorbt values at the mid, the account at the side it would close on: half of 10 points on 10,000 euros.
    assert np.abs(value.to_numpy()[:-1] - equity[rows][:-1]).max() <= 0.5 + 0.06


@pytest.mark.parametrize(("symbol", "price"), [("USDJPY", 110.0), ("EURGBP", 0.86)])
def test_other_currencies_and_swap_come_out_even(symbol: str, price: float) -> None:
    ticks = walk(4000)
    ticks["time_ns"] = T0 + np.arange(4000) * 60 * 10**9  # almost three days, so that swap is charged
    for side in ("bid", "ask"):
        ticks[side] = np.round(ticks[side] / 1.1 * price, 3 if symbol == "USDJPY" else 5)
    account = AccountConfig(rates={"GBP": 1.3, "EUR": 1.12})
    run = replay(CATALOGUE["ma_cross"], ticks, instrument=symbol, account=account)
    assert run.book.numbers["swap_minor"] != 0
    portfolio = to_vectorbt(run, ticks)
    np.testing.assert_allclose(portfolio.trades.closed.records["pnl"], run.trades["net_profit"], atol=1e-6)
    assert float(portfolio.final_value()) == pytest.approx(run.report().statistics["final_equity_money"], abs=1e-6)


def minutes(n_minutes: int, seed: int = 1) -> tuple[np.ndarray, pd.Series]:
    """Four quotes a minute without a spread, and the close of each minute."""
    random = np.random.default_rng(seed)
    mids = np.round(1.1 + np.cumsum(random.normal(0, 1e-4, 4 * n_minutes)), 5)
    times = T0 + np.arange(4 * n_minutes) * MINUTE // 4
    index = pd.to_datetime(T0 + np.arange(n_minutes) * MINUTE, utc=True)
    return make_ticks(times, mids, mids), pd.Series(mids[3::4], index)


def test_signals_are_held_as_vectorbt_holds_them() -> None:
    _, close = minutes(300)
    random = np.random.default_rng(2)
    signals = [pd.Series(random.random(300) < 0.15, close.index) for _ in range(4)]
    names = ("entries", "exits", "short_entries", "short_exits")
    portfolio = vbt.Portfolio.from_signals(
        close, **dict(zip(names, signals, strict=True)), size=1.0, init_cash=1e6, freq="1m"
    )
    np.testing.assert_array_equal(signal_targets(*signals), np.sign(portfolio.assets().to_numpy()))


def test_signals_are_filled_at_the_first_tick_after_their_bar() -> None:
    ticks, close = minutes(200)
    random = np.random.default_rng(3)
    entries, exits = (pd.Series(random.random(200) < 0.1, close.index) for _ in range(2))
    free, unlimited = Costs(commission_per_lot=0, latency_ms=0), RiskLimits(daily_loss_fraction=1.0)
    run = from_signals(entries, exits, ticks, sizing=FixedLots(1.0), costs=free, limits=unlimited)
    opens = pd.Series(ticks["bid"][4::4], close.index[:-1])  # the next bar's first quote
    portfolio = vbt.Portfolio.from_signals(
        opens, entries[:-1], exits[:-1], size=100_000, init_cash=1e6, freq="1m", price=opens
    )
    theirs = portfolio.trades.closed.records
    assert len(run.trades) >= 5
    np.testing.assert_allclose(run.trades["open_price"], theirs["entry_price"])
    np.testing.assert_allclose(run.trades["close_price"], theirs["exit_price"])
    np.testing.assert_allclose(run.trades["net_profit"], theirs["pnl"], atol=0.0051)  # whole cents


def test_each_column_of_a_frame_is_a_run() -> None:
    ticks, close = minutes(60)
    random = np.random.default_rng(4)
    entries = pd.DataFrame(random.random((60, 2)) < 0.2, close.index, columns=["a", "b"])
    exits = pd.DataFrame(random.random((60, 2)) < 0.2, close.index, columns=["a", "b"])
    runs = from_signals(entries, exits, ticks, sizing=FixedLots(1.0))
    assert list(runs) == ["a", "b"]
    alone = from_signals(entries["b"], exits["b"], ticks, sizing=FixedLots(1.0))
    assert runs["b"].events.tobytes() == alone.events.tobytes()


def test_what_is_no_signal_is_refused_in_words() -> None:
    ticks, close = minutes(10)
    good = close > 1.1
    with pytest.raises(BadData, match="must be boolean"):
        from_signals(close, good, ticks)
    with pytest.raises(BadData, match="DatetimeIndex of the bars' openings"):
        from_signals(good.to_numpy(), good, ticks)
    with pytest.raises(BadData, match="carry their zone"):
        from_signals(good.tz_localize(None), good, ticks)
    with pytest.raises(BadData, match="rise from row to row"):
        from_signals(good[::-1], good, ticks)
    with pytest.raises(BadData, match="must have 10 rows"):
        from_signals(good, good[:5], ticks)
    with pytest.raises(BadData, match="give every="):
        from_signals(good[:1], good[:1], ticks)
    with pytest.raises(BadData, match="columns of entries"):
        from_signals(good.to_frame("a"), good.to_frame("b"), ticks)
    with pytest.raises(BadData, match="at least one fill"):
        to_vectorbt(replay(CATALOGUE["ma_cross"], walk(50)))
    with pytest.raises(BadData, match="that were replayed"):
        to_vectorbt(replay(CATALOGUE["ma_cross"], walk(5000)), walk(50))
