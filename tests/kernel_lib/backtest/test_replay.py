"""Replay: the compiled loop does what the live halves do event by event, and says clearly what it cannot."""

from pathlib import Path

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.importers import read_ticks
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import TICK, make_ticks
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import FixedLots, Proposer, Strategy, strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.book import Book
from kernel_lib.trading.record import Kind, Status

COSTS = Costs(latency_ms=35, latency_jitter_ms=20, slippage_points=1, slippage_random_points=2)


def walk(n_ticks: int = 20_000, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    mid = 1.1 + np.cumsum(random.normal(0, 2e-5, n_ticks))
    times = 1_549_238_400 * 10**9 + np.cumsum(random.integers(0, 3000, n_ticks)) * 10**6
    return make_ticks(times, np.round(mid, 5), np.round(mid + 0.0001, 5))


def event_by_event(
    chosen: Strategy, ticks: np.ndarray, account: AccountConfig, costs: Costs
) -> tuple[np.ndarray, bytes]:
    """The two halves called one tick at a time, as the live desk calls them."""
    book = Book(EURUSD, account, RiskLimits(), costs)
    proposer = Proposer(chosen, EURUSD, account)
    rows = []
    for tick in ticks:
        time_ns, bid, ask = tick.item()
        view = book.on_tick(time_ns, bid, ask, 0)
        book.on_target(*proposer.on_tick(time_ns, bid, ask, view))
        rows.append(book.drain())
    return np.concatenate(rows), book.snapshot()


@pytest.mark.parametrize("hedging", [False, True], ids=["netting", "hedging"])
@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_hours_of_real_ticks_give_the_same_rows_in_the_loop_and_event_by_event(
    data_dir: Path, name: str, hedging: bool
) -> None:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks[:50_000]
    account = AccountConfig(hedging=hedging)
    run = replay(CATALOGUE[name], ticks, account=account, costs=COSTS)
    rows, state = event_by_event(CATALOGUE[name], ticks, account, COSTS)
    assert run.events.tobytes() == rows.tobytes()
    assert run.book.snapshot() == state
    assert (run.events["kind"] == int(Kind.FILL)).sum() > 5


def test_two_runs_are_equal_to_the_bit_and_another_seed_is_not() -> None:
    ticks = walk()
    runs = [replay(CATALOGUE["ma_cross"], ticks, costs=COSTS) for _ in range(2)]
    assert runs[0].events.tobytes() == runs[1].events.tobytes()
    other = replay(CATALOGUE["ma_cross"], ticks, costs=Costs(latency_ms=35, latency_jitter_ms=20, seed=2))
    assert other.events.tobytes() != runs[0].events.tobytes()


def test_trades_add_up_to_the_balance() -> None:
    run = replay(CATALOGUE["ma_cross"], walk(), costs=COSTS)
    report = run.report()
    net = report.trades["net_profit"].sum()
    still_open = sum(int(p["commission_minor"]) for p in run.book.positions) / 100
    assert report.statistics["net_profit_money"] == pytest.approx(net - still_open, abs=0.01)
    assert report.statistics["trades_count"] == len(report.trades) > 10
    assert "sharpe_ratio" in repr(report)
    assert "data:image/png" in report._repr_html_()


def test_a_decision_that_numba_cannot_compile_runs_as_plain_python_with_the_same_result() -> None:
    ticks = walk(3000)
    features = {"fast": f.ema(10), "slow": f.ema(50)}

    @strategy(features=features)
    def compiled(x, position, p):
        return 1.0 if x.fast > x.slow else -1.0 if x.fast < x.slow else position.exposure

    @strategy(features=features)
    def plain(x, position, p):
        words = {"up": "long", "down": "short"}
        side = words.get("up" if x.fast > x.slow else "down" if x.fast < x.slow else "")
        assert isinstance(f"{side}", str)
        return {"long": 1.0, "short": -1.0}.get(side, position.exposure)

    assert Proposer(compiled, EURUSD).plain_python == ""
    assert Proposer(plain, EURUSD).plain_python != ""
    assert replay(compiled, ticks).events.tobytes() == replay(plain, ticks).events.tobytes()


@pytest.mark.parametrize("answer", [float("nan"), 1.5, float("inf")])
def test_a_target_that_is_none_stops_the_strategy_and_says_where(answer: float) -> None:
    @strategy(features={"change": f.price_change()}, params={"answer": answer if np.isfinite(answer) else 9.0})
    def bad(x, position, p):
        return p.answer if np.isfinite(p.answer) else np.nan

    ticks = walk(500)
    run = replay(bad, ticks)
    assert "must give a number from -1 to 1" in run.fault
    assert run.events[-1]["kind"] == int(Kind.FAULT)
    assert run.book.numbers["n_ticks"] == len(ticks)


def test_a_strategy_that_raises_late_keeps_what_came_before() -> None:
    @strategy(features={"change": f.price_change()}, params={"limit": 700})
    def raises(x, position, p):
        if x.time_ns > 1_549_238_400_000_000_000 + p.limit * 10**9:
            raise ValueError("seven hundred")
        return 1.0

    ticks = walk(2000)
    run = replay(raises, ticks)
    assert "ValueError" in run.fault
    assert "tick" in run.fault
    assert (run.events["kind"] == int(Kind.FILL)).sum() == 1
    assert len(run.book.positions) == 1
    rows, state = [], None
    book, proposer = Book(EURUSD, AccountConfig(), RiskLimits(), Costs()), Proposer(raises, EURUSD)
    for tick in ticks:
        time_ns, bid, ask = tick.item()
        view = book.on_tick(time_ns, bid, ask, 0)
        try:
            proposal = proposer.on_tick(time_ns, bid, ask, view)
        except ValueError:
            proposal = (float("nan"), 0, 0, 0, int(Status.RAISED))
        book.on_target(*proposal)
        rows.append(book.drain())
        state = book.snapshot()
    assert np.concatenate(rows).tobytes() == run.events.tobytes()
    assert state == run.book.snapshot()


def test_a_stopped_position_is_not_entered_again_until_the_decision_changes() -> None:
    @strategy(features={"change": f.price_change()}, stop_loss_points=20, sizing=FixedLots(0.1))
    def always_long(x, position, p):
        return 1.0

    prices = np.round(np.concatenate([np.linspace(1.1, 1.09, 300), np.linspace(1.09, 1.12, 300)]), 5)
    ticks = make_ticks(1_549_238_400 * 10**9 + np.arange(600) * 10**9, prices, prices + 0.0001)
    run = replay(always_long, ticks)
    assert run.book.numbers["n_orders"] == 1
    assert run.report().statistics["trades_count"] == 1


@pytest.mark.parametrize(
    ("ticks", "message"),
    [
        (np.zeros(0, TICK), "at least one tick"),
        (np.zeros(3), "dtype TICK"),
        (make_ticks([1, 2], [1.1, np.nan], [1.1, 1.1]), "tick 1 is"),
        (make_ticks([1, 2], [1.1, 0.0], [1.1, 1.1]), "positive"),
        (make_ticks([1, 2], [1.1, 1.2], [1.1, 1.1]), "not crossed"),
        (make_ticks([2, 1], [1.1, 1.1], [1.1, 1.1]), "must not go back"),
    ],
)
def test_ticks_that_cannot_be_believed_are_refused(ticks: np.ndarray, message: str) -> None:
    with pytest.raises(BadData, match=message):
        replay(CATALOGUE["ma_cross"], ticks)


def test_an_unknown_symbol_or_parameter_is_refused_by_name() -> None:
    with pytest.raises(BadData, match="FOOBAR"):
        replay(CATALOGUE["ma_cross"], walk(10), instrument="FOOBAR")
    with pytest.raises(Misconfigured, match="no parameter 'speed'"):
        replay(CATALOGUE["ma_cross"], walk(10), params={"speed": 3})
    with pytest.raises(Misconfigured, match="whole number"):
        replay(CATALOGUE["ma_cross"], walk(10), params={"fast": 3.5})


def test_a_notebook_shows_a_replays_headline_and_the_trades_times_in_utc_beside_the_exact_ones() -> None:
    run = replay(CATALOGUE["ma_cross"], walk(20_000), params={"fast": 50, "slow": 200}, progress=False)
    shown = run._repr_html_()
    assert "<b>ma_cross</b> on EURUSD, 20,000 ticks" in shown
    assert f"<td style='text-align:left'>trades_count</td><td>{len(run.trades):,}</td>" in shown
    assert "\n" not in repr(run)
    first = run.trades.iloc[0]
    assert str(first["opened"].tz) == "UTC"
    assert first["opened"].value == first["open_time_ns"]
    assert first["closed"].value == first["close_time_ns"]


def test_a_run_that_never_traded_shows_no_minus_before_zero() -> None:
    @strategy(features={"fast": f.ema(5)})
    def idle(x, position, p):
        return 0.0

    run = replay(idle, walk(20_000), progress=False)
    assert "-0.0" not in repr(run.report())
    assert "-0.0" not in run._repr_html_()
