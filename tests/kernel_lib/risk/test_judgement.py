"""An order against the limits: each limit by hand arithmetic, reductions always pass, tiers only tighten."""

import math
from typing import Any

import msgspec
import pytest

from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.market.instrument import EURUSD, instrument
from kernel_lib.risk.judgement import Judgement, PortfolioState, ProposedOrder, judge
from kernel_lib.risk.limits import Limits, configured, default_limits
from kernel_lib.tiers import TIERS
from kernel_lib.trading.account import RiskLimits

LIMITS = default_limits(TIERS["pro"])
ORDER = ProposedOrder(instrument=EURUSD, lots=0.3, price=1.1, bid=1.0999, ask=1.1, stop_loss=1.095)
STATE = PortfolioState(equity=10_000.0, day_start_equity=10_000.0, peak_equity=10_000.0)


def asked(order: dict[str, Any] | None = None, state: dict[str, Any] | None = None, **limits: Any) -> Judgement:
    return judge(
        msgspec.structs.replace(ORDER, **(order or {})),
        msgspec.structs.replace(STATE, **(state or {})),
        msgspec.structs.replace(LIMITS, **limits),
    )


def names(verdict: Judgement) -> list[str]:
    return [each.name for each in verdict.breaches]


def test_a_sound_order_is_allowed_and_its_risk_is_told() -> None:
    verdict = asked()
    assert verdict.allowed
    assert verdict.risk_fraction == pytest.approx(0.005 * 0.3 * 100_000 / 10_000)


@pytest.mark.parametrize(
    ("order", "state", "limits", "name"),
    [
        ({"lots": 0.41}, {}, {}, "order_risk"),
        ({"stop_loss": 0.0}, {}, {}, "no_stop"),
        ({"stop_loss": 1.105}, {}, {}, "no_stop"),
        ({"lots": 0.3}, {"lots": 0.8}, {}, "max_lots"),
        ({"lots": -0.3, "stop_loss": 1.105}, {"lots": -0.8}, {}, "max_lots"),
        ({"price": 1.1051, "stop_loss": 1.1}, {}, {}, "price_collar"),
        ({"price": 1.0948, "stop_loss": 1.09}, {}, {}, "price_collar"),
        ({}, {"orders_last_minute": 60}, {}, "message_rate"),
        ({}, {"day_start_equity": 10_400.0, "peak_equity": 10_400.0}, {}, "daily_loss"),
        ({}, {"peak_equity": 12_501.0}, {}, "total_drawdown"),
        ({}, {"strategy_equity": 890.0, "strategy_peak_equity": 1000.0}, {}, "strategy_drawdown"),
        ({}, {"value_at_risk_95": 301.0}, {"value_at_risk_95_fraction": 0.03}, "value_at_risk_95"),
        ({}, {}, {"value_at_risk_99_fraction": 0.03}, "value_at_risk_99"),
        ({"lots": math.nan}, {}, {}, "bad_order"),
        ({"bid": 1.2}, {}, {}, "bad_order"),
        ({"lots": 0.0}, {}, {}, "bad_order"),
        ({}, {"equity": -5.0}, {}, "bad_order"),
        ({}, {"peak_equity": math.nan}, {}, "total_drawdown"),
    ],
)
def test_each_limit_denies_by_name(order: Any, state: Any, limits: Any, name: str) -> None:
    verdict = asked(order, state, **limits)
    assert names(verdict) == [name]
    assert verdict.breaches[0].message
    assert not verdict.allowed


@pytest.mark.parametrize(
    ("order", "state"),
    [
        ({"lots": 0.4}, {}),
        ({"price": 1.105, "stop_loss": 1.1005}, {}),
        ({"price": 1.115, "stop_loss": 1.11, "atr": 0.003}, {}),
        ({}, {"orders_last_minute": 59}),
        ({}, {"day_start_equity": 10_300.0, "peak_equity": 12_499.0}),
    ],
)
def test_just_within_a_limit_is_allowed(order: Any, state: Any) -> None:
    assert asked(order, state).allowed


def test_several_breaches_are_all_named() -> None:
    verdict = asked({"lots": 5.0, "stop_loss": 0.0}, {"orders_last_minute": 99})
    assert names(verdict) == ["max_lots", "no_stop", "message_rate"]
    assert "Denied" in verdict._repr_html_()


def test_an_order_that_only_reduces_is_always_allowed() -> None:
    worst = {"lots": 3.0, "equity": -1.0, "day_start_equity": 10_000.0, "orders_last_minute": 500}
    assert asked({"lots": -1.0, "stop_loss": 0.0, "price": 5.0}, worst).allowed
    assert asked({"lots": -3.0, "stop_loss": 0.0}, worst).allowed
    assert not asked({"lots": -4.0, "stop_loss": 0.0}, {"lots": 3.0}).allowed


def test_the_pip_of_the_collar_follows_the_digits() -> None:
    order = {"instrument": instrument("USDJPY"), "price": 150.51, "bid": 149.99, "ask": 150.0, "stop_loss": 150.4}
    assert names(asked({**order, "lots": 0.1, "profit_rate": 1 / 150})) == ["price_collar"]
    assert asked({**order, "price": 150.49, "lots": 0.1, "profit_rate": 1 / 150}).allowed


def test_the_defaults_are_the_ruling() -> None:
    assert (LIMITS.order_risk_fraction, LIMITS.strategy_drawdown_fraction) == (0.02, 0.10)
    assert (LIMITS.daily_loss_fraction, LIMITS.total_drawdown_fraction) == (0.03, 0.20)
    assert (LIMITS.collar_pips, LIMITS.collar_atr, LIMITS.orders_per_minute) == (50.0, 5.0, 60)
    assert [default_limits(each).max_lots for each in TIERS.values()] == [0.1, 1.0, None]


def test_the_step_gets_the_same_numbers() -> None:
    assert LIMITS.for_step() == RiskLimits()
    assert default_limits(TIERS["free"]).for_step().max_lots == 0.1


def test_lower_tiers_tighten_and_only_enterprise_loosens() -> None:
    assert configured(TIERS["pro"], order_risk_fraction=0.01, max_lots=0.5).max_lots == 0.5
    for change in ({"order_risk_fraction": 0.03}, {"max_lots": 2.0}, {"max_lots": None}, {"needs_stop": False}):
        with pytest.raises(Refused, match="enterprise tier") as caught:
            configured(TIERS["pro"], **change)
        assert caught.value.code == "tier"
        assert isinstance(configured(TIERS["enterprise"], **change), Limits)


@pytest.mark.parametrize(
    "change",
    [{"magic": 1.0}, {"order_risk_fraction": 2.0}, {"order_risk_fraction": 0.0}, {"max_lots": math.nan},
     {"needs_stop": 1.0}, {"orders_per_minute": 0.5}, {"daily_loss_fraction": None}],
)  # fmt: skip
def test_a_limit_that_is_none_is_misconfigured(change: Any) -> None:
    with pytest.raises(Misconfigured):
        configured(TIERS["enterprise"], **change)
