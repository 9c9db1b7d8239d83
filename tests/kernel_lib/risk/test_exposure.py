"""Exposure, stress, sizing and rebalancing by hand arithmetic."""

import math

import numpy as np
import pandas as pd
import pytest

from kernel_lib.errors import BadData
from kernel_lib.market.instrument import EURUSD, instrument
from kernel_lib.risk.correlation import comovement, correlated_exposure, covariance
from kernel_lib.risk.exposure import concentration, exposure, instrument_exposures
from kernel_lib.risk.rebalance import rebalance
from kernel_lib.risk.sizing import (
    SizingCase,
    custom_lots,
    lots_at_stop,
    lots_for_fraction,
    lots_for_volatility,
    round_lots,
    volatility_scale,
)
from kernel_lib.risk.stress import shock, stress_report, worst_days
from kernel_lib.risk.var import value_at_risk

PRICES = {"EURUSD": 1.10, "GBPUSD": 1.25, "USDJPY": 150.0, "XAUUSD": 2000.0, "EURGBP": 0.88, "AUDJPY": 97.5}
CASE = SizingCase(equity=10_000.0, price=1.10, instrument=EURUSD, stop_distance=0.0040, volatility=0.006)


def test_pairs_and_gold_split_into_their_legs() -> None:
    held = exposure({"EURUSD": 1.0, "USDJPY": 0.5, "XAUUSD": -0.2, "EURGBP": -1.0}, PRICES, equity=50_000.0)
    expected = {
        "EUR": 110_000.0 - 110_000.0,
        "GBP": 100_000 * 0.88 * 1.25,
        "JPY": -50_000 * 150.0 / 150.0,
        "XAU": -0.2 * 100 * 2000.0,
    }
    assert held.by_currency == pytest.approx(expected)
    assert held.by_symbol["EURGBP"] == pytest.approx(-100_000 * 0.88 * 1.25)
    assert held.gross == pytest.approx(110_000 + 50_000 + 40_000 + 110_000)
    assert held.leverage == pytest.approx(310_000 / 50_000)
    assert held.largest is not None
    assert held.largest[0] == "GBP"


def test_a_rate_is_found_through_a_chain_of_crosses() -> None:
    held = exposure({"AUDJPY": 1.0}, PRICES)
    assert held.by_currency["JPY"] == pytest.approx(-100_000 * 97.5 / 150.0)
    assert held.by_currency["AUD"] == pytest.approx(100_000 * 97.5 / 150.0)


def test_an_account_in_another_currency_sees_the_dollar_as_risk() -> None:
    held = exposure({"EURUSD": 1.0}, PRICES, currency="EUR")
    assert held.by_currency == pytest.approx({"USD": -100_000.0})


def test_concentration_is_herfindahls() -> None:
    assert concentration([1.0, 1.0, -1.0, 1.0]) == pytest.approx(0.25)
    assert concentration([]) == 0.0


def test_a_missing_quote_is_named() -> None:
    with pytest.raises(BadData, match="no quote between GBP and USD"):
        exposure({"EURGBP": 1.0}, {"EURGBP": 0.88})
    with pytest.raises(BadData, match="EURUSD needs a price"):
        exposure({"EURUSD": 1.0}, {})
    with pytest.raises(BadData, match="no contract data"):
        exposure({"FOO": 1.0}, {"FOO": 1.0})
    with pytest.raises(BadData, match="finite number"):
        exposure({"EURUSD": math.nan}, PRICES)


def test_exposures_come_in_the_order_of_the_returns() -> None:
    money = instrument_exposures({"XAUUSD": 0.1}, PRICES, ("EURUSD", "XAUUSD"))
    assert money.tolist() == [0.0, 20_000.0]
    with pytest.raises(BadData, match="none for XAUUSD"):
        instrument_exposures({"XAUUSD": 0.1}, PRICES, ("EURUSD",))


def test_worst_days_are_the_portfolios_not_the_instruments() -> None:
    returns = pd.DataFrame(
        {"a": [-0.10, 0.01, -0.03], "b": [0.10, 0.01, -0.04]}, index=pd.date_range("2020-01-01", periods=3)
    )
    found = worst_days(returns, [1000.0, 1000.0], count=1)
    assert found[0].name == "2020-01-03"
    assert found[0].gain == pytest.approx(-70.0)
    assert found[0].by_name == pytest.approx({"a": -30.0, "b": -40.0})


def test_a_shock_moves_both_legs() -> None:
    held = exposure({"EURGBP": 1.0}, PRICES)
    found = shock(held.by_currency, {"EUR": -0.02, "GBP": -0.08})
    assert found.gain == pytest.approx(100_000 * 0.88 * 1.25 * (0.08 - 0.02))


def test_the_stress_report_ranks_and_shows_itself() -> None:
    returns = np.random.default_rng(2).normal(0, 0.01, (50, 2))
    report = stress_report(returns=returns, exposures=[1e5, -5e4], by_currency={"EUR": 1e5}, currency="USD", equity=1e4)
    gains = [each.gain for each in report.scenarios]
    assert gains == sorted(gains)
    assert report.worst.gain == gains[0]
    assert "sterling vote" in report._repr_html_()
    assert report.plot().axes
    with pytest.raises(BadData, match="needs returns"):
        stress_report()


def test_lots_by_every_rule() -> None:
    # 1 % of 10,000 is 100; 40 pips on a lot are 400 dollars.
    assert lots_at_stop(CASE, 0.01) == 0.25
    assert lots_for_fraction(CASE, 2.2) == 0.2
    # 1 % a day with 0.6 % volatility is leverage 1.67: 16,667 dollars, 0.1515 lots.
    assert lots_for_volatility(CASE, 0.01) == 0.15
    assert custom_lots(lambda case: case.equity / case.lot_worth, CASE) == 0.09
    assert volatility_scale(0.0, 0.1) == 0.0


def test_lots_are_never_rounded_up() -> None:
    assert round_lots(0.29, EURUSD) == 0.29
    assert round_lots(0.2999, EURUSD) == 0.29
    assert round_lots(0.0099, EURUSD) == 0.0
    assert round_lots(-0.0199, EURUSD) == -0.01
    assert round_lots(1e9, EURUSD) == 100.0
    for bad in (math.nan, math.inf):
        with pytest.raises(BadData):
            round_lots(bad, EURUSD)
    with pytest.raises(BadData, match="must give lots as a number"):
        custom_lots(lambda case: "much", CASE)  # type: ignore[arg-type, return-value]
    with pytest.raises(BadData, match="what is lost at the stop"):
        lots_at_stop(SizingCase(equity=1e4, price=1.1, instrument=EURUSD))


def test_rebalancing_says_what_to_trade_and_why() -> None:
    found = rebalance(
        {"EURUSD": 0.50, "GBPUSD": 0.10, "XAUUSD": 0.03, "USDJPY": 0.10},
        {"EURUSD": 0.5, "GBPUSD": 0.12, "XAUUSD": 0.12, "USDJPY": 0.0},
        PRICES,
        100_000.0,
        cost_per_lot={"EURUSD": 7.0, "GBPUSD": 7.0, "XAUUSD": 900.0},
    )
    by_symbol = {each.symbol: each for each in found.advice}
    assert found.trades == {"USDJPY": -0.1, "EURUSD": -0.04}
    assert by_symbol["EURUSD"].cost == pytest.approx(0.28)
    assert "near enough" in by_symbol["GBPUSD"].words
    assert "would cost" in by_symbol["XAUUSD"].words
    assert by_symbol["USDJPY"].words.startswith("Close 0.1 lots of USDJPY")
    assert "EURUSD" in str(found)
    assert "Rebalancing: 2 trades" in found._repr_html_()
    assert found.plot().axes


def test_the_covariance_methods() -> None:
    returns = np.random.default_rng(9).normal(0, 0.01, (200, 3))
    np.testing.assert_allclose(covariance(returns), np.cov(returns.T))
    expected = np.zeros((3, 3))
    total = 0.0
    for age, row in enumerate(returns[::-1]):
        expected += 0.94**age * np.outer(row, row)
        total += 0.94**age
    np.testing.assert_allclose(covariance(returns, "ewma"), expected / total)
    sklearn = pytest.importorskip("sklearn.covariance")
    np.testing.assert_allclose(covariance(returns, "ledoit_wolf"), sklearn.LedoitWolf().fit(returns).covariance_)
    with pytest.raises(BadData, match="'sample' or 'ewma' or 'ledoit_wolf'"):
        covariance(returns, "magic")  # type: ignore[arg-type]


def test_comovement_shows_itself_and_an_instrument_that_stands_still_has_no_correlation() -> None:
    returns = pd.DataFrame(np.random.default_rng(1).normal(0, 0.01, (50, 2)), columns=["a", "b"])
    found = comovement(returns)
    np.testing.assert_allclose(found.correlation, returns.corr())
    assert found.average_correlation == pytest.approx(returns.corr().iloc[0, 1])
    assert found.plot().axes
    assert "<table>" in found._repr_html_()
    still = comovement(np.column_stack([returns["a"], np.zeros(50)])).correlation
    assert np.isnan(still[1]).all()
    assert still[0, 0] == 1.0


def test_correlated_exposure_lies_between_net_and_gross() -> None:
    assert correlated_exposure([100.0, -100.0], np.ones((2, 2))) == 0.0
    assert correlated_exposure([100.0, 50.0], np.ones((2, 2))) == pytest.approx(150.0)
    with pytest.raises(BadData, match="need a correlation of that size"):
        correlated_exposure([1.0], np.ones((2, 2)))


def test_the_whole_way_from_positions_to_value_at_risk() -> None:
    returns = np.random.default_rng(4).normal(0, 0.01, (250, 2))
    money = instrument_exposures({"EURUSD": 0.5, "XAUUSD": -0.1}, PRICES, ("EURUSD", "XAUUSD"))
    assert value_at_risk(returns, money) == pytest.approx(-np.percentile(returns @ [55_000.0, -20_000.0], 5))
    assert instrument("XAUUSD").currency_base == "XAU"
