"""Decisions that answer orders: compiled, as plain Python and one tick at a time they give the same record."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.market.instrument import EURUSD
from kernel_lib.strategy import (
    FixedLots,
    Proposer,
    RiskFraction,
    Strategy,
    at_limit,
    at_stop,
    at_stop_limit,
    keep,
    load_strategy,
    orders,
    strategy,
)
from kernel_lib.trading.account import AccountConfig, Costs
from kernel_lib.trading.record import Kind
from tests.kernel_lib.backtest.test_replay import COSTS, event_by_event, walk

FEATURES = {"slow": f.ema(50, bars="1m"), "fast": f.ema(10)}


def grid(x: Any, position: Any, p: Any) -> Any:
    if position.exposure == 0.0:
        if x.fast > x.slow:
            return at_limit(1.0, x.bid - 0.0001, 600)
        if x.spread < 0.5:
            return at_stop(-1.0, x.bid - 0.0001, expires_s=300, take_profit_points=60)
        return at_stop_limit(-1, x.bid - 0.0002, x.bid - 0.0001, 300)
    return keep() if x.fast > x.slow else 0.0


def grid_in_words(x: Any, position: Any, p: Any) -> Any:
    sides = {"up": "long", "down": "short"}
    if position.exposure == 0.0:
        if sides["up" if x.fast > x.slow else "down"] == "long":
            return at_limit(1.0, x.bid - 0.0001, 600)
        return at_stop(-1.0, x.bid - 0.0001, expires_s=300, take_profit_points=60)
    return keep() if "{}".format(x.fast > x.slow) == "True" else 0.0  # noqa: UP032  (numba knows no format)


def made(decide: Callable[[Any, Any, Any], Any], **settings: Any) -> Strategy:
    return strategy(on="1m", features=FEATURES, stop_loss_points=30, trailing_points=25, **settings)(decide)


@pytest.mark.parametrize("hedging", [False, True], ids=["netting", "hedging"])
def test_the_loop_plain_python_and_one_tick_at_a_time_give_the_same_record(hedging: bool) -> None:
    ticks, account = walk(), AccountConfig(hedging=hedging)
    run = replay(made(grid), ticks, account=account, costs=COSTS)
    found = {Kind(int(kind)).name for kind in np.unique(run.events["kind"])}
    assert found >= {"PLACED", "ACCEPTED", "MODIFIED", "CANCELLED", "TRIGGERED", "FILL", "CLOSED"}
    rows, state = event_by_event(made(grid), ticks, account, COSTS)
    assert run.events.tobytes() == rows.tobytes()
    assert run.book.snapshot() == state
    assert Proposer(made(grid), EURUSD).plain_python == ""
    assert Proposer(made(grid_in_words), EURUSD).plain_python != ""
    assert replay(made(grid_in_words), ticks, account=account, costs=COSTS).events.tobytes() == rows.tobytes()


def test_a_decision_that_only_ever_answers_numbers_in_an_order_strategy_trades_as_without() -> None:
    def number(x: Any, position: Any, p: Any) -> Any:
        if x.bid > 1e6:
            return keep()
        return 1.0 if x.fast > x.slow else -1.0

    def plain(x: Any, position: Any, p: Any) -> Any:
        return 1.0 if x.fast > x.slow else -1.0

    ticks = walk(8_000)
    assert replay(made(number), ticks).events.tobytes() == replay(made(plain), ticks).events.tobytes()


def test_an_order_function_is_found_by_another_name_and_in_a_module() -> None:
    enter = at_limit

    def by_another_name(x: Any, position: Any, p: Any) -> Any:
        return enter(1.0, x.bid)

    def in_a_module(x: Any, position: Any, p: Any) -> Any:
        return orders.at_stop(1.0, x.ask + 1e-4)

    def none(x: Any, position: Any, p: Any) -> Any:
        return 1.0

    assert [made(each).rests for each in (by_another_name, in_a_module, none)] == [True, True, False]
    assert made(none).paper_only == "a trailing stop"
    assert made(in_a_module).paper_only == "resting orders"
    assert (replay(made(in_a_module), walk(3_000)).events["kind"] == int(Kind.FILL)).any()


def test_an_order_that_was_made_out_of_sight_stops_the_strategy_in_words() -> None:
    def make(x: Any) -> Any:
        return at_limit(1.0, x.bid)

    def out_of_sight(x: Any, position: Any, p: Any) -> Any:
        return make(x)

    run = replay(made(out_of_sight), walk(3_000))
    assert "must name the order function that it answers with itself" in run.fault


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -1.0, 1e9])
def test_a_price_that_is_none_stops_the_strategy(price: float) -> None:
    @strategy(features={"change": f.price_change()}, params={"price": 1.0})
    def bad(x, position, p):
        return at_limit(1.0, price)

    run = replay(bad, walk(300))
    assert "must give a number from -1 to 1, or an order with prices" in run.fault
    assert run.book.numbers["n_ticks"] == 300


def test_a_stop_of_its_own_bounds_one_entry() -> None:
    @strategy(on="1m", features=FEATURES, stop_loss_points=300)
    def tight(x, position, p):
        return at_limit(1.0, x.bid, 0, 15, 20, 0)

    run = replay(tight, walk(6_000), costs=Costs(latency_ms=0.0))
    placed = run.events[run.events["kind"] == int(Kind.PLACED)]
    assert (placed["points"] - placed["stop_points"] == 15).all()
    assert (placed["take_points"] - placed["points"] == 20).all()


def test_sizing_by_risk_takes_the_trailing_distance_for_the_risk() -> None:
    @strategy(features={"change": f.price_change()}, trailing_points=100, sizing=RiskFraction(0.01))
    def long(x, position, p):
        return 1.0

    run = replay(long, walk(300), costs=Costs(latency_ms=0.0))
    assert run.book.positions["units"].tolist() == [100]  # 100 dollars at 100 points: a lot
    with_lots = strategy(features={"change": f.price_change()}, trailing_points="far", params={"far": 40})(long.decide)
    assert with_lots.with_params(far=50).trailing_points == 50
    assert isinstance(with_lots.sizing, FixedLots)


def test_the_source_of_an_order_strategy_runs_on_its_own() -> None:
    source = (
        "from kernel_lib.strategy import strategy, at_stop, keep\n"
        "from kernel_lib import features as f\n"
        "@strategy(features={'fast': f.ema(5)})\n"
        "def breaks(x, position, p):\n"
        "    return at_stop(1.0, x.ask + 0.0001) if position.lots == 0.0 else keep()\n"
    )
    found = load_strategy(source, "breaks")
    assert found.rests
    assert found.with_params().rests
    assert Proposer(found, EURUSD).plain_python == ""
