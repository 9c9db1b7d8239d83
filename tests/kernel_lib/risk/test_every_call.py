"""Every public call of the package, with each of its arguments in turn replaced by what a notebook may hold by mistake.

The call is sound but for the one argument. It then answers, or refuses with an error of the library; what is no number
at all is refused wherever a number is wanted. Warnings are errors, so that an overflow fails here too.
"""

import contextlib
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kernel_lib import risk
from kernel_lib.errors import BadData, TickhubError
from kernel_lib.market.instrument import EURUSD
from kernel_lib.tiers import TIERS

RNG = np.random.default_rng(0)
RETURNS = RNG.normal(0.0, 0.01, 60)
TABLE = pd.DataFrame(RNG.normal(0.0, 0.01, (60, 3)), columns=["EURUSD", "GBPUSD", "XAUUSD"])
DAYS = pd.date_range("2024-01-01", periods=60)
CASE = risk.SizingCase(equity=10_000.0, price=1.1, instrument=EURUSD, stop_distance=0.005, volatility=0.01)
ORDER: dict[str, Any] = {
    "instrument": EURUSD, "lots": 0.5, "price": 1.1, "bid": 1.0999, "ask": 1.1, "stop_loss": 1.095, "atr": 0.001,
    "profit_rate": 1.0,
}  # fmt: skip
STATE: dict[str, Any] = {
    "equity": 10_000.0, "day_start_equity": 10_000.0, "peak_equity": 10_000.0, "strategy_equity": 5_000.0,
    "strategy_peak_equity": 5_000.0, "lots": 0.1, "orders_last_minute": 1, "value_at_risk_95": 100.0,
    "value_at_risk_99": 200.0,
}  # fmt: skip
OPTION: dict[str, Any] = {
    "spot": 42.0, "strike": 40.0, "years": 0.5, "rate": 0.1, "volatility": 0.2, "kind": "call", "carry": 0.0,
}  # fmt: skip
LOTS, PRICES = {"EURUSD": 0.5}, {"EURUSD": 1.1}
EXPOSED: dict[str, Any] = {"lots": LOTS, "prices": PRICES, "currency": "USD", "instruments": {"EURUSD": EURUSD}}
RATIO: dict[str, Any] = {"returns": RETURNS, "risk_free": 0.0001, "periods_per_year": "daily"}
YEARLY: dict[str, Any] = {"returns": RETURNS, "risk_free_annual": 0.02, "periods_per_year": "daily"}
BESIDE: dict[str, Any] = {"returns": RETURNS, "benchmark": RETURNS[::-1].copy()}
AT_RISK: dict[str, Any] = {"returns": TABLE, "exposures": [1.0, 2.0, 3.0], "confidence": 0.95}
FURTHER: dict[str, Any] = {**AT_RISK, "horizon": 1.0}
PARTS: dict[str, Any] = {
    "covariance": np.eye(3),
    "exposures": [1.0, 2.0, 3.0],
    "names": ("a", "b", "c"),
    "horizon": 1.0,
}
SOLVED: dict[str, Any] = {"returns": TABLE, "bounds": (0.0, 1.0), "budget": 1.0, "risk_free": 0.0}
REQUIRED: dict[str, Any] = {"returns": RETURNS, "required": 0.0}

#: A sound call of everything public, by name; a measure that is not here takes the returns alone.
CALLS: dict[str, dict[str, Any]] = {
    "adjusted_sharpe_ratio": RATIO,
    "aggregate_returns": {"returns": pd.Series(RETURNS, DAYS), "to": "monthly"},
    "alpha": {**BESIDE, **RATIO},
    "alpha_beta": {**BESIDE, **RATIO},
    "annual_return": {"returns": RETURNS, "periods_per_year": 252.0, "geometric": True},
    "annual_volatility": {"returns": RETURNS, "periods_per_year": 252.0, "ddof": 1},
    "appraisal_ratio": {**BESIDE, **YEARLY},
    "batting_average": BESIDE,
    "beta": BESIDE,
    "black_scholes": OPTION,
    "burke_ratio": {**YEARLY, "modified": True},
    "calmar_ratio": {"returns": RETURNS, "periods_per_year": "daily"},
    "capture": {**BESIDE, "periods_per_year": "daily"},
    "careful": {"fraction": 0.5, "share": 0.5, "cap": 1.0},
    "comovement": {"returns": TABLE, "method": "ewma", "decay": 0.94},
    "concentration": {"amounts": [1.0, 2.0]},
    "conditional_drawdown_at_risk": {"returns": RETURNS, "confidence": 0.95},
    "configured": {"held": TIERS["enterprise"], "max_lots": 1.0, "needs_stop": False, "collar_pips": 30.0},
    "correlated_exposure": {"exposures": [1.0, 2.0], "correlation": [[1.0, 0.5], [0.5, 1.0]]},
    "covariance": {"returns": TABLE, "method": "ewma", "decay": 0.94},
    "cumulative_returns": {"returns": RETURNS, "starting": 100.0},
    "currency_rates": {"prices": PRICES, "currency": "USD", "instruments": {"EURUSD": EURUSD}, "rates": {"GBP": 1.3}},
    "custom_lots": {"rule": lambda case: case.equity / 1e5, "case": CASE},
    "default_limits": {"held": TIERS["pro"]},
    "down_alpha_beta": {**BESIDE, **RATIO},
    "down_capture": {**BESIDE, "periods_per_year": "daily"},
    "downside_deviation": {**REQUIRED, "periods_per_year": 1.0},
    "downside_frequency": REQUIRED,
    "downside_potential": REQUIRED,
    "drawdown_control": {"drawdown": 0.05, "limit": 0.1, "start": 0.5},
    "efficient_frontier": {**SOLVED, "points": 3},
    "ewma_volatility": {"returns": RETURNS, "decay": 0.94, "seed": "sample"},
    "expected_of_prices": {"prices": 1.0 + TABLE.abs(), "periods_per_year": "daily"},
    "expected_of_returns": {"returns": TABLE, "method": "sample", "periods_per_year": 1.0},
    "expected_shortfall": {**FURTHER, "method": "linear"},
    "expected_shortfall_parts": AT_RISK,
    "exposure": {**EXPOSED, "equity": 1000.0, "rates": {"GBP": 1.3}},
    "fama_beta": BESIDE,
    "filtered_expected_shortfall": {**FURTHER, "method": "linear", "filter_by": "ewma", "decay": 0.94},
    "filtered_returns": {"returns": RETURNS, "filter_by": "ewma", "decay": 0.94},
    "filtered_value_at_risk": {**FURTHER, "method": "linear", "filter_by": "ewma", "decay": 0.94},
    "for_return": {**SOLVED, "target": float(TABLE.mean().mean())},
    "for_volatility": {**SOLVED, "target": 0.01},
    "garch_volatility": {"returns": RETURNS, "garch": risk.Garch(omega=1e-5, alpha=0.1, beta=0.8)},
    "greeks": OPTION,
    "hierarchical_risk_parity": {
        "returns": TABLE, "method": "lopez_de_prado", "linkage": "single", "correlation": TABLE.corr(),
        "risk_free": 0.0,
    },
    "implied_volatility": {
        "price": 4.76, "spot": 42.0, "strike": 40.0, "years": 0.5, "rate": 0.1, "kind": "call", "carry": 0.0,
    },
    "information_ratio": {**BESIDE, "periods_per_year": 1.0, "geometric": False},
    "instrument_exposures": {**EXPOSED, "names": ("EURUSD",)},
    "jensen_alpha": {**BESIDE, **YEARLY},
    "judge": {
        "order": risk.ProposedOrder(**ORDER), "state": risk.PortfolioState(**STATE),
        "limits": risk.default_limits(TIERS["pro"]),
    },
    "kappa": {**REQUIRED, "order": 3.0},
    "kelly_bet": {"win_probability": 0.6, "payoff": 1.0},
    "kelly_continuous": {"mean": 0.1, "volatility": 0.2, "risk_free": 0.0},
    "kelly_growth": {"fraction": 0.5, "mean": 0.1, "volatility": 0.2, "risk_free": 0.0},
    "kelly_of_trades": {"profits": [1.0, -0.5, 2.0]},
    "kelly_portfolio": {"means": [0.1, 0.2], "covariance": [[0.04, 0.0], [0.0, 0.09]], "risk_free": 0.0},
    "kurtosis": {"returns": RETURNS, "method": "excess"},
    "log_returns": {"prices": 1.0 + np.abs(RETURNS)},
    "lots_at_stop": {"case": CASE, "fraction": 0.01},
    "lots_for_fraction": {"case": CASE, "fraction": 0.5},
    "lots_for_volatility": {"case": CASE, "target": 0.01, "most": 10.0},
    "m2_sortino": {**BESIDE, "required": 0.0, "periods_per_year": "daily"},
    "m_squared": {**BESIDE, **YEARLY, "inverted": False},
    "m_squared_excess": {**BESIDE, **YEARLY, "inverted": False},
    "martin_ratio": YEARLY,
    "max_sharpe": SOLVED,
    "min_variance": SOLVED,
    "modified_value_at_risk": {**FURTHER, "ddof": 0},
    "net_selectivity": {**BESIDE, **YEARLY},
    "normal_expected_shortfall": {**FURTHER, "mean": 0.0, "volatility": 0.01, "ddof": 0},
    "normal_value_at_risk": {**FURTHER, "mean": 0.0, "volatility": 0.01, "ddof": 0},
    "omega_ratio": {**RATIO, "required": 0.0},
    "omega_sharpe_ratio": REQUIRED,
    "pain_ratio": YEARLY,
    "portfolio_returns": {"returns": TABLE, "exposures": [1.0, 2.0, 3.0]},
    "rebalance": {
        "lots": LOTS, "weights": {"EURUSD": 0.5}, "prices": PRICES, "equity": 10_000.0, "currency": "USD",
        "instruments": {"EURUSD": EURUSD}, "rates": {"GBP": 1.3}, "cost_per_lot": 7.0, "drift": 0.01,
        "most_cost": 0.002,
    },
    "risk_parity": {"returns": TABLE, "budget": [0.2, 0.3, 0.5], "risk_free": 0.0},
    "risk_report": {
        "returns": TABLE, "exposures": [1.0, 2.0, 3.0], "confidences": (0.95,), "horizon": 1.0, "currency": "USD",
    },
    "rolling": {"measure": risk.sharpe_ratio, "returns": RETURNS, "window": 20, "risk_free": 0.0},
    "round_lots": {"lots": 0.5, "instrument": EURUSD},
    "sharpe_ratio": {**RATIO, "geometric": False, "ddof": 1},
    "shock": {"by_currency": {"EUR": 1000.0}, "moves": {"EUR": -0.02}, "name": "mine", "currency": "USD"},
    "simple_returns": {"prices": 1.0 + np.abs(RETURNS)},
    "skewness": {"returns": RETURNS, "method": "moment"},
    "sortino_ratio": {**REQUIRED, "periods_per_year": "daily"},
    "specific_risk": {**BESIDE, "periods_per_year": "daily"},
    "stress_report": {
        "returns": TABLE, "exposures": [1.0, 2.0, 3.0], "by_currency": {"EUR": 1000.0},
        "shocks": {"mine": {"EUR": -0.02}}, "count": 2, "currency": "USD", "equity": 1000.0,
    },
    "systematic_risk": {**BESIDE, "periods_per_year": "daily"},
    "to_correlation": {"matrix": [[0.04, 0.0], [0.0, 0.09]]},
    "total_risk": {**BESIDE, "periods_per_year": "daily"},
    "tracking_error": {**BESIDE, "periods_per_year": "daily"},
    "treynor_ratio": {**BESIDE, **YEARLY, "modified": False},
    "up_alpha_beta": {**BESIDE, **RATIO},
    "up_capture": {**BESIDE, "periods_per_year": "daily"},
    "up_down_capture": {**BESIDE, "periods_per_year": "daily"},
    "upside_frequency": REQUIRED,
    "upside_potential": REQUIRED,
    "upside_potential_ratio": REQUIRED,
    "upside_risk": REQUIRED,
    "value_at_risk": {**FURTHER, "method": "linear"},
    "value_at_risk_exceptions": {"gains": RETURNS, "limits": 0.02, "confidence": 0.99},
    "value_at_risk_parts": PARTS,
    "volatility_scale": {"volatility": 0.1, "target": 0.1, "most": 1.0},
    "worst_days": {"returns": TABLE, "exposures": [1.0, 2.0, 3.0], "count": 3, "labels": list(DAYS)},
    "Garch": {"omega": 1e-5, "alpha": 0.1, "beta": 0.8},
    "Limits": {"max_lots": 1.0, "order_risk_fraction": 0.01, "collar_pips": 50.0, "orders_per_minute": 60},
    "PortfolioState": STATE,
    "ProposedOrder": ORDER,
    "SizingCase": {"equity": 1e4, "price": 1.1, "instrument": EURUSD, "profit_rate": 1.0, "stop_distance": 0.0},
}  # fmt: skip

#: No number in any sense: refused wherever it stands for one.
NO_NUMBER: dict[str, Any] = {
    "text": "text", "numeric text": "0.01", "texts": ["a", "b"], "numeric texts": ["0.01", "0.02"] * 30,
    "object array with a text": np.array([0.01, "0.02", 0.03] * 20, dtype=object), "bytes": b"0.01",
    "complex": np.array([0.01 + 1j] * 60), "a complex number": 1j, "object": object(), "set": {0.1, 0.2},
    "times": DAYS, "table of texts": TABLE.astype(str),
}  # fmt: skip
#: Numbers of a kind that may or may not make sense.
STRANGE: dict[str, Any] = {
    "none": None, "empty": [], "one NaN": [np.nan], "NaN": math.nan, "infinite": [0.01, np.inf], "infinity": math.inf,
    "huge": 1e308, "many huge": [1e308] * 60, "bool": True, "bools": [True, False] * 30, "negative": -1.0,
    "not in order": pd.Series(RETURNS, DAYS[::-1]), "twice": pd.Series(RETURNS, DAYS[[0] * 60]),
    "with a zone": pd.Series(RETURNS, DAYS.tz_localize("UTC")), "empty table": TABLE.iloc[:0], "mapping": {"EUR": 1.0},
    "mapping of nothing": {"EUR": None}, "mapping of text": {"EURUSD": "1.0"}, "empty mapping": {},
    "cube": np.ones((2, 2, 2)),
    "missing": pd.Series([0.01, None] * 30, dtype="Float64"), "another table": TABLE.iloc[:, :2],
}  # fmt: skip
#: Where a text is what is wanted.
TEXTS = {
    ("currency_rates", "currency"), ("exposure", "currency"), ("instrument_exposures", "currency"),
    ("rebalance", "currency"), ("risk_report", "currency"), ("shock", "name"), ("shock", "currency"),
    ("stress_report", "currency"),
}  # fmt: skip
#: Where anything is taken, as what it is for Python: a label, or true and false.
ANY = {("worst_days", "labels")}


def spoiled() -> list[Any]:
    """Every argument of every call."""
    return [
        pytest.param(name, argument, id=f"{name}-{argument}")
        for name in sorted({*risk.CATALOGUE, *CALLS})
        for argument in CALLS.get(name, {"returns": RETURNS})
    ]


def answer(name: str, words: dict[str, Any]) -> Any:
    """Call it; what a class is made of is read where it is used, so a case or an order goes on to its function."""
    made = getattr(risk, name)(**words)
    if name == "SizingCase":
        return risk.lots_at_stop(made) if made.stop_distance else risk.lots_for_fraction(made, 0.5)
    if name == "ProposedOrder":
        return risk.judge(made, risk.PortfolioState(**STATE), risk.default_limits(TIERS["pro"]))
    if name == "PortfolioState":
        return risk.judge(risk.ProposedOrder(**ORDER), made, risk.default_limits(TIERS["pro"]))
    if name == "Limits":
        return risk.judge(risk.ProposedOrder(**ORDER), risk.PortfolioState(**STATE), made)
    if name == "Garch":
        return risk.garch_volatility(RETURNS, made)
    return made


@pytest.mark.parametrize("name", sorted({*risk.CATALOGUE, *CALLS}))
def test_the_call_that_is_spoiled_is_sound(name: str) -> None:
    answer(name, dict(CALLS.get(name, {"returns": RETURNS})))


@pytest.mark.parametrize(("name", "argument"), spoiled())
def test_what_is_no_number_is_refused(name: str, argument: str) -> None:
    words = CALLS.get(name, {"returns": RETURNS})
    for wrong in NO_NUMBER.values():
        if (name, argument) in ANY or ((name, argument) in TEXTS and isinstance(wrong, str)):
            continue
        with pytest.raises(TickhubError, match=r"must|needs|need|there is no limit"):
            answer(name, {**words, argument: wrong})


@pytest.mark.parametrize(("name", "argument"), spoiled())
def test_what_may_or_may_not_make_sense_is_answered_or_refused(name: str, argument: str) -> None:
    words = CALLS.get(name, {"returns": RETURNS})
    for wrong in STRANGE.values():
        with contextlib.suppress(TickhubError):
            answer(name, {**words, argument: wrong})


@pytest.mark.parametrize("measure", [risk.value_at_risk, risk.sharpe_ratio, risk.total_return, risk.kelly_of_trades])
def test_a_series_with_a_text_names_where_it_stands(measure: Any) -> None:
    with pytest.raises(BadData, match=r"must be numbers, it was '0\.02' at 1; turn it into float64 first"):
        measure(np.array([0.01, "0.02", 0.03], dtype=object))
    with pytest.raises(BadData, match=r"must be numbers, it was .*'0\.01'\)? at 0"):
        measure(["0.01", "0.02"])


def test_nothing_is_none() -> None:
    with pytest.raises(BadData, match=r"returns must be numbers, there were none \(None\)"):
        risk.value_at_risk(None)
    with pytest.raises(BadData, match="judge: order must be a ProposedOrder, it was None"):
        risk.judge(None, None, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'returns'"):
        risk.value_at_risk()  # type: ignore[call-arg]


def test_a_limit_that_does_not_exist_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadData, match=r"Limits takes max_lots, .*; it was given max_lot \(did you mean max_lots\?\)"):
        risk.Limits(max_lot=3.0)  # type: ignore[call-arg]
    with pytest.raises(BadData, match=r"SizingCase takes .*; price, instrument must be given and was not"):
        risk.SizingCase(equity=1e4)  # type: ignore[call-arg]
