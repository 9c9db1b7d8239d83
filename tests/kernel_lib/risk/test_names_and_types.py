"""Positions meet their instruments by name, and what is no number is refused in words."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from kernel_lib import risk as typed
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.market.instrument import EURUSD
from kernel_lib.tiers import TIERS

DAYS = pd.date_range("2024-01-01", periods=4)
risk: Any = typed  # wrong types are given on purpose
#: EURUSD lost 10 % once, USDJPY 1 %.
RETURNS = pd.DataFrame({"EURUSD": [0.0, -0.10, 0.01, 0.02], "USDJPY": [-0.01, 0.0, 0.01, 0.02]}, index=DAYS)


@pytest.mark.parametrize(
    "held", [pd.Series({"USDJPY": 100.0, "EURUSD": 0.0}), {"USDJPY": 100.0, "EURUSD": 0.0}, [0.0, 100.0]],
    ids=["series", "mapping", "in order"],
)  # fmt: skip
def test_exposures_meet_the_columns_by_name(held: Any) -> None:
    # The worst of four days is the first percentile by Hull's count: 1 % of 100, never 10 %.
    assert risk.value_at_risk(RETURNS, held, confidence=0.99, method="hull") == pytest.approx(1.0)
    assert risk.worst_days(RETURNS, held, count=1)[0].by_name == {"EURUSD": 0.0, "USDJPY": -1.0}
    assert risk.expected_shortfall_parts(RETURNS, held, confidence=0.75).parts.tolist() == pytest.approx([0.0, 1.0])
    parts = risk.value_at_risk_parts(RETURNS.cov(), held)
    assert parts.names == ("EURUSD", "USDJPY")
    assert parts.parts[0] == 0.0
    assert parts.total == pytest.approx(1.6448536 * 100.0 * RETURNS["USDJPY"].std())


def test_exposures_of_other_names_are_refused() -> None:
    for held in ({"EURUSD": 1.0}, {"EURUSD": 1.0, "GBPUSD": 1.0}, pd.Series({"EURUSD": 1.0, "GBPUSD": 1.0})):
        with pytest.raises(BadData, match="exposures must be of EURUSD, USDJPY, one each"):
            risk.value_at_risk(RETURNS, held)
    with pytest.raises(BadData, match="need returns with names"):
        risk.value_at_risk(RETURNS.to_numpy(), {"EURUSD": 1.0, "USDJPY": 2.0})
    with pytest.raises(BadData, match="a table of returns needs exposures"):
        risk.value_at_risk(RETURNS)


def test_a_measure_takes_its_returns_by_name() -> None:
    own = RETURNS["EURUSD"]
    assert risk.sharpe_ratio(returns=own) == risk.sharpe_ratio(own)
    assert risk.max_drawdown(returns=RETURNS).equals(risk.max_drawdown(RETURNS))
    with pytest.raises(BadData, match="sharpe_ratio needs returns"):
        risk.sharpe_ratio()


def test_a_benchmark_is_not_joined_over_stamps_that_are_there_twice() -> None:
    # Joined anyway, each of the two rows would meet both of the other's: 0.64 in place of 1.
    twice = pd.Series([0.1, 0.2, 0.3], index=[0, 0, 1])
    with pytest.raises(BadData, match="each label of the index once to be joined, 0 is there twice"):
        risk.beta(twice, twice)
    with pytest.raises(BadData, match="must both have a zone or neither, they were None and UTC"):
        risk.beta(RETURNS["EURUSD"], RETURNS["USDJPY"].tz_localize("UTC"))
    assert risk.beta(twice.to_numpy(), twice.to_numpy()) == pytest.approx(1.0)


def test_shocks_are_moves_against_the_account_s_own_currency() -> None:
    # A dollar account is hurt by its short francs; one in euros also by the euro's own fall against the dollar.
    moves = {"CHF": 0.20, "EUR": -0.02}
    assert risk.shock({"CHF": -1000.0}, moves, currency="USD").gain == pytest.approx(-200.0)
    assert risk.shock({"CHF": -1000.0}, moves, currency="EUR").gain == pytest.approx(-1000.0 * (1.20 / 0.98 - 1.0))
    report = risk.stress_report(by_currency={"USD": 10_000.0}, currency="EUR", equity=10_000.0)
    gains = {each.name: each.gain for each in report.scenarios}
    assert gains["dollar up 5 %"] == pytest.approx(10_000.0 * (1.0 / 0.95 - 1.0))
    assert gains["dollar down 5 %"] == pytest.approx(10_000.0 * (1.0 / 1.05 - 1.0))
    assert risk.stress_report(by_currency={"USD": 1.0}, shocks={"calm": {}}).worst.gain == 0.0


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (
            lambda: risk.value_at_risk(RETURNS["EURUSD"], confidence="95"),
            "value_at_risk: confidence must be a number, it was '95'",
        ),
        (lambda: risk.value_at_risk(RETURNS["EURUSD"], horizon="1"), "horizon must be a number"),
        (lambda: risk.kelly_bet("0.6", 1.0), "win_probability must be a number"),
        (lambda: risk.kelly_continuous("0.1", 0.2), "mean must be a number"),
        (lambda: risk.careful("0.1"), "fraction must be a number"),
        (lambda: risk.round_lots("0.1", EURUSD), "lots must be a number"),
        (
            lambda: risk.lots_at_stop(risk.SizingCase(equity="10000", price=1.1, instrument=EURUSD, stop_distance=0.1)),
            "equity must be a number, it was '10000'",
        ),
        (lambda: risk.volatility_scale("0.1", 0.1), "volatility must be a number"),
        (lambda: risk.exposure({"EURUSD": "1"}, {"EURUSD": 1.1}), "lots of EURUSD must be a number"),
        (lambda: risk.exposure({"EURUSD": 1.0}, {"EURUSD": "1.1"}), "prices of EURUSD must be a number"),
        (lambda: risk.stress_report(by_currency={"EUR": "1"}), "by_currency of EUR must be a number"),
        (lambda: risk.drawdown_control("0.1", 0.2), "drawdown must be a number"),
        (lambda: risk.black_scholes("42", 40, 0.5, 0.1, 0.2), "spot must be a number, it was '42'"),
        (
            lambda: risk.min_variance(RETURNS, bounds="long"),
            "bounds must be .a number or None, a number or None., it was 'long'",
        ),
        (lambda: risk.rolling("sharpe_ratio", RETURNS["EURUSD"], 2), "a measure must be a function"),
    ],
)
def test_what_is_no_number_is_refused_in_words(call: Callable[[], Any], what: str) -> None:
    with pytest.raises(BadData, match=what):
        call()


def test_a_limit_that_is_no_number_is_refused() -> None:
    with pytest.raises(Misconfigured, match="max_lots must be a number above 0, it was '1'"):
        risk.configured(TIERS["free"], max_lots="1")
