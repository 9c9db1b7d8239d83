"""Two runs of a strategy whose orders rest, with one thing between them: what differs is named, and in words."""

import re
from functools import cache

import numpy as np
import pytest

from kernel_lib.backtest.outside import OUTSIDE
from kernel_lib.backtest.parity_gap import Side, explain
from kernel_lib.backtest.parity_rerun import Rerun, tick_of_row
from kernel_lib.market.instrument import EURUSD
from kernel_lib.market.tick import Ticks
from kernel_lib.strategy import load_strategy
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from tests.kernel_lib.backtest.test_replay import walk

RESTS = """
from kernel_lib import features as f
from kernel_lib.strategy import at_limit, keep, strategy

@strategy(on="1m", features=dict(fast=f.ema(5), slow=f.ema(20)), stop_loss_points=40)
def rests(x, position, p):
    if position.lots == 0.0:
        side = 1.0 if x.fast > x.slow else -1.0
        return at_limit(side, x.mid - 0.00005 * side, expires_s=EXPIRES)
    return keep()
"""


@cache
def ticks() -> Ticks:
    return walk(5_000)


def side(name: str, *, expires: int = 600, limits: RiskLimits | None = None, costs: Costs | None = None) -> Side:
    strategy = load_strategy(RESTS.replace("EXPIRES", str(expires)), "rests")

    def make() -> Rerun:
        return Rerun(
            strategy, ticks(), instrument=EURUSD, account=AccountConfig(), limits=limits or RiskLimits(),
            costs=costs or Costs(),
        )  # fmt: skip

    rows = make().finish().rows
    return Side(
        name=name, ticks=ticks(), told=np.zeros(0, OUTSIDE), rows=rows,
        tick_of=lambda row: tick_of_row(make, rows, row), moment=lambda tick: make().moment(tick),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "cause", "said"),
    [
        ({"costs": Costs(latency_ms=900)}, "latency", r"order 1 was accepted \+860\.000 ms"),
        ({"costs": Costs(slippage_points=3)}, "fill", "was filled [+-]3 points"),
        ({"expires": 30}, "decision", "expires_s was 600 in the backtest, 30 in the engine"),
        ({"limits": RiskLimits(max_spread_points=1)}, "risk", "a limit order placed: order 1, .* denied: max_spread"),
        ({"limits": RiskLimits(daily_loss_fraction=0.0005)}, "risk", "daily_loss"),
    ],
)
def test_what_differs_of_an_order_that_rests_is_named(settings: dict[str, object], cause: str, said: str) -> None:
    gap = explain(side("the backtest"), side("the engine", **settings))  # type: ignore[arg-type]
    assert gap is not None
    assert gap.cause == cause, gap
    assert re.search(said, str(gap)), gap


def test_the_same_twice_has_no_gap() -> None:
    assert explain(side("the backtest"), side("the engine")) is None
