"""Costs fitted from fills: what a simulated broker was set to comes out again, and few fills are refused."""

import numpy as np
import pytest

from kernel_lib.backtest import replay
from kernel_lib.backtest.fitted_costs import fit_costs
from kernel_lib.errors import BadData, Refused
from kernel_lib.market.instrument import EURUSD
from kernel_lib.strategies import CATALOGUE
from kernel_lib.trading.account import Costs
from kernel_lib.trading.record import EVENT, Kind
from tests.kernel_lib.backtest.test_replay import walk


def record(latencies_ms: list[float], slips: list[int], commission_minor: int = 70) -> np.ndarray:
    """Orders of 0.2 lots, bought and sold in turn at a quote of 110,000, with their fills."""
    rows = np.zeros(2 * len(slips), EVENT)
    for number, (latency, slip) in enumerate(zip(latencies_ms, slips, strict=True)):
        side = 1 if number % 2 == 0 else -1
        order, fill = rows[2 * number], rows[2 * number + 1]
        for row in (order, fill):
            row["order_id"], row["side"], row["units"], row["points"] = number + 1, side, 20, 110_000
            row["time_ns"] = number * 10**9
        order["kind"], fill["kind"] = int(Kind.ORDER), int(Kind.FILL)
        fill["time_ns"] += round(latency * 1e6)
        fill["points"] += side * slip
        fill["commission_minor"] = commission_minor
    return rows


def test_hand_made_fills_give_their_own_costs() -> None:
    # Latencies even from 30 to 50 ms, slippage of 1, 2, 3 in turn, 0.70 for 0.2 lots.
    found = fit_costs(record(np.linspace(30, 50, 41).tolist(), [1 + k % 3 for k in range(41)]), EURUSD)
    assert found.n_fills == 41
    assert found.costs == Costs(
        commission_per_lot=3.5, latency_ms=30.0, latency_jitter_ms=20.0, slippage_points=1, slippage_random_points=2
    )
    assert found.observed["latency_ms"] == pytest.approx((31, 35, 40, 45, 49))
    assert found.modelled["latency_ms"] == pytest.approx((31, 35, 40, 45, 49))
    assert found.observed["slippage_points"] == (1.0, 1.0, 2.0, 3.0, 3.0)
    assert found.modelled["slippage_points"][2] == 2.0
    assert "slippage_points_buy: 5/25/50/75/95 percent 1 1 2 3 3" in repr(found)
    assert "41 fills" in repr(found)


def test_a_rebate_is_observed_and_not_counted_on() -> None:
    found = fit_costs(record([30.0] * 40, [1] * 40, commission_minor=-10), EURUSD)  # 0.10 paid to us for 0.2 lots
    assert found.observed["commission_per_lot"] == (-0.5,) * 5
    assert found.costs.commission_per_lot == 0.0


def test_a_replays_fills_give_back_what_it_was_run_with() -> None:
    ticks = walk(60_000)
    costs = Costs(
        commission_per_lot=2.5, latency_ms=35, latency_jitter_ms=20, slippage_points=2, slippage_random_points=3
    )
    run = replay(CATALOGUE["ma_cross"], ticks, params={"fast": 10, "slow": 40}, costs=costs)
    found = fit_costs(run.events, EURUSD, ticks=ticks)
    assert found.n_fills > 200
    assert found.costs.commission_per_lot == 2.5
    assert found.costs.latency_ms == pytest.approx(35, abs=2)
    assert found.costs.latency_jitter_ms == pytest.approx(20, abs=3)
    assert (found.costs.slippage_points, found.costs.slippage_random_points) == (2, 3)
    assert found.reference == "quote at the fill"


def test_fewer_than_thirty_fills_are_refused_with_what_to_do() -> None:
    with pytest.raises(Refused, match="at least 30 fills, there were 29; trade longer on paper") as refused:
        fit_costs(record([40.0] * 29, [0] * 29), EURUSD)
    assert refused.value.code == "too_few_fills"
    with pytest.raises(Refused, match="there were 0"):
        fit_costs(np.zeros(0, EVENT), EURUSD)


def test_fills_that_nobody_sent_are_left_out() -> None:
    rows = record([40.0] * 40, [1] * 40)
    stop = np.zeros(3, EVENT)
    stop["kind"], stop["order_id"], stop["units"], stop["points"] = int(Kind.FILL), 999, 5, 1
    assert fit_costs(np.concatenate([rows, stop]), EURUSD).n_fills == 40


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(BadData, match="dtype EVENT"):
        fit_costs(np.zeros(40), EURUSD)
    with pytest.raises(BadData, match="begin before the first fill"):
        fit_costs(record([40.0] * 40, [1] * 40), EURUSD, ticks=walk(10))
