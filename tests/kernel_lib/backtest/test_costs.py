"""Sensitivity to costs: what each cost takes, by hand."""

import math

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.costs import cost_headroom_points, cost_sensitivity
from kernel_lib.errors import BadData
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import FixedLots, strategy
from kernel_lib.trading.account import Costs

T0 = 1_549_238_400 * 10**9
NO_LATENCY = Costs(commission_per_lot=3.5, latency_ms=0)


@strategy(on="tick", features={"price": f.sma(1)}, sizing=FixedLots(1.0))
def buys_and_sells(x, position, p):
    """Long below 1.1005, flat above."""
    return 1.0 if x.price < 1.1005 else 0.0


def up_once(spread: float = 0.0001) -> np.ndarray:
    """Twenty quotes at 1.1000, twenty at 1.1010: one trade of one lot, 10 points of mid without costs."""
    mid = np.r_[np.full(20, 1.1000), np.full(20, 1.1010)]
    return make_ticks(T0 + np.arange(40) * 10**9, np.round(mid - spread / 2, 5), np.round(mid + spread / 2, 5))


def test_each_cost_takes_what_it_must() -> None:
    # Mid to mid: 100 points of a dollar. The spread of 10 points costs 10, the commission 7.
    found = cost_sensitivity(buys_and_sells, up_once(), costs=NO_LATENCY, multipliers=(0, 1, 2, 3), progress=False)
    profits = found.rows.set_index(["cost", "multiplier"])["net_profit_money"]
    assert profits["spread", 0.0] == pytest.approx(93.0)
    assert profits["spread", 1.0] == pytest.approx(83.0)
    assert profits["spread", 2.0] == pytest.approx(73.0)
    assert profits["commission", 0.0] == pytest.approx(90.0)
    assert profits["commission", 3.0] == pytest.approx(69.0)
    assert profits["slippage", 1.0] == pytest.approx(83.0)
    assert profits["slippage", 2.0] == pytest.approx(81.0)  # none to multiply, so a point a side is added
    assert profits["slippage", 3.0] == pytest.approx(79.0)
    assert profits["latency", 3.0] == pytest.approx(83.0)  # the quote stands for a second, 80 ms change nothing
    assert profits["all", 0.0] == pytest.approx(100.0)
    assert profits["all", 2.0] == pytest.approx(100.0 - 20 - 14 - 2)
    assert len(found.rows) == 5 * 4


def test_break_even_lies_where_the_cost_eats_the_profit() -> None:
    # 93 - 10 m = 0 at 9.3 times the spread; 90 - 7 m = 0 at 12.857 times the commission.
    found = cost_sensitivity(
        buys_and_sells, up_once(), costs=NO_LATENCY, multipliers=(1, 8, 16), vary=("spread", "commission"),
        limits=None, progress=False,
    )  # fmt: skip
    assert found.break_even["commission"] == pytest.approx(90 / 7)
    assert "break-even" in repr(found)
    assert "break-even" in found._repr_html_()
    assert len(found.plot().axes[0].lines) == 4


def test_break_even_is_infinite_where_nothing_loses_and_unknown_where_all_lose() -> None:
    wins = cost_sensitivity(
        buys_and_sells, up_once(), costs=NO_LATENCY, multipliers=(0, 2), vary=("commission",), progress=False
    )
    assert wins.break_even["commission"] == math.inf
    down = up_once()[::-1].copy()
    down["time_ns"] = np.sort(down["time_ns"])
    loses = cost_sensitivity(
        buys_and_sells, down, costs=NO_LATENCY, multipliers=(0.5, 2), vary=("commission",), progress=False
    )
    assert math.isnan(loses.break_even["commission"])


def test_headroom_is_the_profit_in_points_a_side() -> None:
    run = replay(buys_and_sells, up_once(), costs=NO_LATENCY)
    assert cost_headroom_points(run) == pytest.approx(83.0 / 2)  # a dollar a point and lot, two fills of a lot
    idle = replay(buys_and_sells, up_once()[25:], costs=NO_LATENCY)
    assert math.isnan(cost_headroom_points(idle))


def test_slippage_that_is_there_is_multiplied() -> None:
    costs = Costs(commission_per_lot=0.0, latency_ms=0, slippage_points=2)
    found = cost_sensitivity(
        buys_and_sells, up_once(), costs=costs, multipliers=(0, 1, 3), vary=("slippage",), progress=False
    )
    assert found.rows["net_profit_money"].tolist() == pytest.approx([90.0, 86.0, 78.0])


def test_what_is_no_cost_is_refused_in_words() -> None:
    with pytest.raises(BadData, match="vary must name some of spread"):
        cost_sensitivity(buys_and_sells, up_once(), vary=("tax",))
    with pytest.raises(BadData, match="multipliers must be 0 or more"):
        cost_sensitivity(buys_and_sells, up_once(), multipliers=(-1,))
