"""Kelly, Thorp, Hull's portfolio and Black-Scholes against the figures their books print."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats

from kernel_lib.errors import BadData
from kernel_lib.risk.correlation import correlated_exposure
from kernel_lib.risk.kelly import (
    careful,
    kelly_bet,
    kelly_continuous,
    kelly_growth,
    kelly_of_trades,
    kelly_portfolio,
)
from kernel_lib.risk.option import black_scholes, greeks, implied_volatility
from kernel_lib.risk.var import normal_value_at_risk


@pytest.fixture(scope="module")
def book(data_dir: Path) -> dict[str, float]:
    path = data_dir / "reference/textbook_cases.json"
    if not path.is_file():
        pytest.skip(f"the textbook cases are absent: {path}")
    return {case["id"]: case["computed"] for case in json.loads(path.read_text())["cases"]}


def test_kelly_and_thorp(book: dict[str, float]) -> None:
    assert kelly_bet(0.6, 1.0) == pytest.approx(book["kelly_even_money_p60"])
    best = kelly_continuous(0.11, 0.15, 0.06)
    assert best == pytest.approx(book["thorp_continuous_kelly"])
    assert kelly_growth(best, 0.11, 0.15, 0.06) == pytest.approx(book["thorp_growth_full_kelly"])


def test_hulls_two_asset_portfolio(book: dict[str, float]) -> None:
    """10 million Microsoft at 2 percent a day, 5 million AT&T at 1 percent, correlation 0.3."""
    deviation = correlated_exposure([10e6 * 0.02, 5e6 * 0.01], [[1.0, 0.3], [0.3, 1.0]])
    assert deviation == pytest.approx(book["hull_portfolio_sd"])
    for days, name in ((1, "hull_portfolio_1d99"), (10, "hull_portfolio_10d99")):
        got = normal_value_at_risk(mean=0.0, volatility=deviation, confidence=0.99, horizon=days)
        assert got == pytest.approx(book[name])


def test_black_scholes_is_hulls_example(book: dict[str, float]) -> None:
    assert black_scholes(42, 40, 0.5, 0.1, 0.2) == pytest.approx(book["hull_bs_call"], rel=1e-12)
    assert black_scholes(42, 40, 0.5, 0.1, 0.2, "put") == pytest.approx(book["hull_bs_put"], rel=1e-12)


def test_hulls_greeks() -> None:
    """Chapter 19: S 49, K 50, r 5 percent, volatility 20 percent, 20 weeks."""
    found = greeks(49, 50, 20 / 52, 0.05, 0.20)
    assert found.delta == pytest.approx(0.522, abs=5e-4)
    assert found.theta == pytest.approx(-4.31, abs=5e-3)
    assert found.gamma == pytest.approx(0.066, abs=5e-4)
    assert found.vega == pytest.approx(12.1, abs=5e-2)
    assert found.rho == pytest.approx(8.91, abs=5e-3)


def test_hulls_currency_option() -> None:
    """Example 17.2: spot and strike 1.6, rates 8 and 11 percent, four months, a call of 4.3 cents implies 14.1 %."""
    assert implied_volatility(0.043, 1.6, 1.6, 4 / 12, 0.08, carry=0.11) == pytest.approx(0.141, abs=5e-4)


@pytest.mark.parametrize("kind", ["call", "put"])
@pytest.mark.parametrize("carry", [0.0, 0.03])
def test_the_price_is_the_discounted_mean_of_what_it_pays(kind: str, carry: float) -> None:
    spot, strike, years, rate, volatility = 1.10, 1.12, 0.25, 0.04, 0.12
    sign = 1.0 if kind == "call" else -1.0
    drift = (rate - carry - volatility**2 / 2) * years

    def paid(z: float) -> float:
        end = spot * math.exp(drift + volatility * math.sqrt(years) * z)
        return max(0.0, sign * (end - strike)) * float(stats.norm.pdf(z))

    kink = (math.log(strike / spot) - drift) / (volatility * math.sqrt(years))
    mean = integrate.quad(paid, -12, kink)[0] + integrate.quad(paid, kink, 12)[0]
    price = black_scholes(spot, strike, years, rate, volatility, kind, carry)  # type: ignore[arg-type]
    assert price == pytest.approx(math.exp(-rate * years) * mean, rel=1e-7)


@pytest.mark.parametrize("kind", ["call", "put"])
def test_the_sensitivities_are_the_slopes_of_the_price(kind: str) -> None:
    at = {"spot": 49.0, "strike": 50.0, "years": 0.4, "rate": 0.05, "volatility": 0.2, "carry": 0.02}

    def slope(name: str, step: float) -> float:
        up, down = ({**at, name: at[name] + move} for move in (step, -step))
        return (black_scholes(**up, kind=kind) - black_scholes(**down, kind=kind)) / (2 * step)  # type: ignore[arg-type]

    found = greeks(**at, kind=kind)  # type: ignore[arg-type]
    assert found.delta == pytest.approx(slope("spot", 1e-4), rel=1e-6)
    assert found.vega == pytest.approx(slope("volatility", 1e-5), rel=1e-6)
    assert found.rho == pytest.approx(slope("rate", 1e-5), rel=1e-6)
    assert found.theta == pytest.approx(-slope("years", 1e-5), rel=1e-6)


@pytest.mark.parametrize("volatility", [0.01, 0.2, 1.5])
@pytest.mark.parametrize("kind", ["call", "put"])
def test_the_implied_volatility_gives_the_price_back(volatility: float, kind: str) -> None:
    price = black_scholes(100, 101, 0.5, 0.03, volatility, kind)  # type: ignore[arg-type]
    assert implied_volatility(price, 100, 101, 0.5, 0.03, kind) == pytest.approx(volatility, abs=1e-8)  # type: ignore[arg-type]


def test_limits_of_the_formula() -> None:
    assert black_scholes(42, 40, 0.0, 0.1, 0.2) == 2.0
    assert black_scholes(42, 40, 0.5, 0.1, 0.0) == pytest.approx(42 - 40 * math.exp(-0.05))
    for wrong in ((-1, 40, 0.5, 0.1, 0.2), (42, 0, 0.5, 0.1, 0.2), (42, 40, -1, 0.1, 0.2), (42, 40, 0.5, math.nan, 0.2),
                  (42, 40, 0.5, 0.1, -0.2), (math.inf, 40, 0.5, 0.1, 0.2)):  # fmt: skip
        with pytest.raises(BadData):
            black_scholes(*wrong)
    with pytest.raises(BadData, match="price of this call must be"):
        implied_volatility(50.0, 42, 40, 0.5, 0.1)
    with pytest.raises(BadData, match="must be 'call' or 'put'"):
        black_scholes(42, 40, 0.5, 0.1, 0.2, "straddle")  # type: ignore[arg-type]


def test_the_fraction_of_many_bets_grows_fastest() -> None:
    """The growth rate of repeated bets, maximised by brute force, is at the formula's fraction."""
    fractions = np.linspace(0, 0.9, 90_001)
    growth = 0.55 * np.log1p(fractions * 1.5) + 0.45 * np.log1p(-fractions)
    assert kelly_bet(0.55, 1.5) == pytest.approx(fractions[growth.argmax()], abs=1e-5)


def test_the_portfolio_fraction_grows_fastest() -> None:
    means, matrix = np.array([0.10, 0.07]), np.array([[0.04, 0.01], [0.01, 0.02]])
    best = kelly_portfolio(means, matrix, 0.02)

    def growth(f: np.ndarray) -> float:
        return float(f @ (means - 0.02) - 0.5 * f @ matrix @ f)

    for step in np.vstack([np.eye(2), -np.eye(2)]) * 1e-3:
        assert growth(best) > growth(best + step)
    assert kelly_portfolio([0.11], [[0.15**2]], 0.06)[0] == pytest.approx(kelly_continuous(0.11, 0.15, 0.06))


def test_a_singular_covariance_is_named() -> None:
    with pytest.raises(BadData, match=r"singular.*ledoit_wolf"):
        kelly_portfolio([0.1, 0.1], [[0.04, 0.04], [0.04, 0.04]])


def test_trades_and_care() -> None:
    assert kelly_of_trades([2.0, 2.0, -1.0, -1.0]) == pytest.approx(0.5 - 0.5 / 2.0)
    assert math.isnan(kelly_of_trades([1.0, 2.0]))
    assert careful(math.nan) == 0.0
    assert careful(-0.3) == 0.0
    assert careful(0.4, share=0.25, cap=0.05) == 0.05
    with pytest.raises(BadData):
        careful(0.1, share=1.5)
