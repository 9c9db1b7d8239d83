"""Every measure answers or refuses by name, whatever it is given; nothing warns, nothing fails in another way."""

import contextlib
from typing import Any

import numpy as np
import pytest

from kernel_lib import risk
from kernel_lib.errors import BadData

RNG = np.random.default_rng(0)
SERIES: dict[str, Any] = {
    "empty": [], "one": [0.01], "all_nan": [np.nan] * 3, "gap": [0.01, np.nan, 0.02, -0.01], "infinite": [0.01, np.inf],
    "zeros": [0.0] * 100, "constant": [0.01] * 100, "losses": [-0.01] * 100, "ruin": [0.1, -1.0, 0.2, 0.1],
    "below": [-2.0, 0.1, 0.2], "huge": [1e99] * 60, "wild": RNG.normal(0, 1e98, 60), "large": [5.0] * 300,
    "small": RNG.normal(0, 1e-90, 60), "vanishing": RNG.normal(0, 1e-200, 60), "text": "abc", "none": None,
    "object": object(), "words": ["a", "b"], "whole": [1, 0, -1, 0, 1], "cube": np.zeros((2, 2, 2)),
    "complex": [1j, 2.0], "mapping": {"a": 1}, "number": 3.0,
}  # fmt: skip
TABLES: dict[str, Any] = {
    "empty": np.zeros((0, 0)), "one_row": np.zeros((1, 3)), "zeros": np.zeros((50, 3)),
    "constant": np.full((50, 3), 0.01),
    "twice": np.repeat(RNG.normal(0, 0.01, (50, 1)), 2, axis=1), "all_nan": np.full((5, 2), np.nan),
    "wild": RNG.normal(0, 1e99, (50, 2)), "small": RNG.normal(0, 1e-90, (50, 2)), "one": RNG.normal(0, 0.01, (50, 1)),
    "one_still": np.c_[RNG.normal(0, 0.01, (50, 2)), np.zeros(50)], "wide": RNG.normal(0, 0.01, (5, 10)),
}  # fmt: skip
OF_TWO = {
    "alpha", "alpha_beta", "appraisal_ratio", "batting_average", "beta", "capture", "down_alpha_beta", "down_capture",
    "fama_beta", "information_ratio", "jensen_alpha", "m2_sortino", "m_squared", "m_squared_excess", "net_selectivity",
    "specific_risk", "systematic_risk", "total_risk", "tracking_error", "treynor_ratio", "up_alpha_beta", "up_capture",
    "up_down_capture",
}  # fmt: skip
OF_ONE = {
    "adjusted_sharpe_ratio", "annual_return", "annual_volatility", "average_drawdown", "bernardo_ledoit_ratio",
    "burke_ratio", "calmar_ratio", "conditional_drawdown_at_risk", "cumulative_returns", "d_ratio",
    "downside_deviation", "downside_frequency", "downside_potential", "drawdown_report", "drawdowns",
    "ewma_volatility", "expected_shortfall", "filtered_expected_shortfall", "filtered_returns",
    "filtered_value_at_risk", "fit_garch", "garch_volatility", "kappa", "kelly_of_trades", "kurtosis", "log_returns",
    "martin_ratio", "max_drawdown", "mean_absolute_deviation", "modified_value_at_risk", "normal_expected_shortfall",
    "normal_value_at_risk", "omega_ratio", "omega_sharpe_ratio", "pain_index", "pain_ratio", "portfolio_returns",
    "risk_report", "sharpe_ratio", "simple_returns", "skewness", "skewness_kurtosis_ratio", "sortino_ratio",
    "stability", "tail_ratio", "total_return", "ulcer_index", "upside_frequency", "upside_potential",
    "upside_potential_ratio", "upside_risk", "value_at_risk", "variability_skewness", "volatility_skewness",
}  # fmt: skip
OF_TABLES = {
    "comovement", "covariance", "efficient_frontier", "expected_of_prices", "expected_of_returns", "filtered_returns",
    "hierarchical_risk_parity", "max_sharpe", "min_variance", "risk_parity", "to_correlation",
}  # fmt: skip
OF_PORTFOLIOS = {
    "expected_shortfall", "filtered_value_at_risk", "modified_value_at_risk", "normal_value_at_risk", "risk_report",
    "expected_shortfall_parts", "value_at_risk", "worst_days",
}  # fmt: skip


def answers_or_refuses(call: Any) -> None:
    """Warnings are errors, so a silent overflow or a division by zero fails here too."""
    with contextlib.suppress(BadData):
        call()


@pytest.mark.parametrize("name", sorted(OF_ONE))
def test_a_measure_of_one_series(name: str) -> None:
    for given in SERIES.values():
        answers_or_refuses(lambda given=given: getattr(risk, name)(given))


@pytest.mark.parametrize("name", sorted(OF_TWO))
def test_a_measure_beside_a_benchmark(name: str) -> None:
    for given in SERIES.values():
        answers_or_refuses(lambda given=given: getattr(risk, name)(given, given))


@pytest.mark.parametrize("name", sorted(OF_TABLES))
def test_a_measure_of_a_table(name: str) -> None:
    for given in [*TABLES.values(), *SERIES.values()]:
        answers_or_refuses(lambda given=given: getattr(risk, name)(given))


@pytest.mark.parametrize("name", sorted(OF_PORTFOLIOS))
def test_a_measure_of_a_portfolio(name: str) -> None:
    for given in TABLES.values():
        answers_or_refuses(lambda given=given: getattr(risk, name)(given, np.ones(given.shape[1])))


def test_no_measure_of_returns_is_left_out() -> None:
    """What takes something else than returns is tried in the tests of its own file."""
    others = {
        "black_scholes", "careful", "concentration", "configured",
        "value_at_risk_exceptions", "value_at_risk_parts", "correlated_exposure", "currency_rates",
        "custom_lots", "default_limits", "drawdown_control", "exposure", "for_return", "for_volatility", "greeks",
        "aggregate_returns", "implied_volatility", "instrument_exposures", "judge", "kelly_bet", "kelly_continuous",
        "kelly_growth", "kelly_portfolio", "lots_at_stop", "lots_for_fraction", "lots_for_volatility", "rebalance",
        "rolling", "round_lots", "shock", "stress_report", "volatility_scale",
    }  # fmt: skip
    assert OF_ONE | OF_TWO | OF_TABLES | OF_PORTFOLIOS | others == set(risk.CATALOGUE)
