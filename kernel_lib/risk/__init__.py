"""Risk and portfolio mathematics: pure functions for notebooks, the desk and the dashboards alike.

Use them as ``from kernel_lib import risk; risk.value_at_risk(returns)``. To add one: a file, and its names here.
"""

from typing import TYPE_CHECKING, Any

from kernel_lib.declared import no_such
from kernel_lib.risk.attribution import Attribution, expected_shortfall_parts, value_at_risk_parts
from kernel_lib.risk.benchmark import (
    alpha,
    alpha_beta,
    appraisal_ratio,
    batting_average,
    beta,
    capture,
    down_alpha_beta,
    down_capture,
    fama_beta,
    information_ratio,
    jensen_alpha,
    m2_sortino,
    m_squared,
    m_squared_excess,
    net_selectivity,
    specific_risk,
    systematic_risk,
    total_risk,
    tracking_error,
    treynor_ratio,
    up_alpha_beta,
    up_capture,
    up_down_capture,
)
from kernel_lib.risk.correlation import Comovement, comovement, correlated_exposure, covariance, to_correlation
from kernel_lib.risk.downside import (
    bernardo_ledoit_ratio,
    d_ratio,
    downside_deviation,
    downside_frequency,
    downside_potential,
    kappa,
    omega_sharpe_ratio,
    upside_frequency,
    upside_potential,
    upside_potential_ratio,
    upside_risk,
    variability_skewness,
    volatility_skewness,
)
from kernel_lib.risk.drawdown import (
    DrawdownReport,
    average_drawdown,
    conditional_drawdown_at_risk,
    drawdown_control,
    drawdown_report,
    drawdowns,
    max_drawdown,
    pain_index,
    ulcer_index,
)
from kernel_lib.risk.exceptions import ExceptionsReport, value_at_risk_exceptions
from kernel_lib.risk.expected import Expected, expected_of_prices, expected_of_returns
from kernel_lib.risk.exposure import Exposure, concentration, currency_rates, exposure, instrument_exposures
from kernel_lib.risk.filtered import (
    Garch,
    ewma_volatility,
    filtered_expected_shortfall,
    filtered_returns,
    filtered_value_at_risk,
    fit_garch,
    garch_volatility,
)
from kernel_lib.risk.growth import (
    aggregate_returns,
    annual_return,
    annual_volatility,
    cumulative_returns,
    log_returns,
    simple_returns,
    total_return,
)
from kernel_lib.risk.judgement import Breach, Judgement, PortfolioState, ProposedOrder, judge
from kernel_lib.risk.kelly import careful, kelly_bet, kelly_continuous, kelly_growth, kelly_of_trades, kelly_portfolio
from kernel_lib.risk.limits import Limits, configured, default_limits
from kernel_lib.risk.mean_variance import efficient_frontier, for_return, for_volatility, max_sharpe, min_variance
from kernel_lib.risk.moments import kurtosis, mean_absolute_deviation, skewness, skewness_kurtosis_ratio
from kernel_lib.risk.option import Greeks, black_scholes, greeks, implied_volatility
from kernel_lib.risk.portfolio import Portfolio
from kernel_lib.risk.ratios import (
    adjusted_sharpe_ratio,
    burke_ratio,
    calmar_ratio,
    martin_ratio,
    omega_ratio,
    pain_ratio,
    rolling,
    sharpe_ratio,
    sortino_ratio,
    stability,
    tail_ratio,
)
from kernel_lib.risk.rebalance import Advice, Rebalancing, rebalance
from kernel_lib.risk.report import RiskReport, TailRisk, risk_report
from kernel_lib.risk.risk_parity import hierarchical_risk_parity, risk_parity
from kernel_lib.risk.sizing import (
    SizingCase,
    custom_lots,
    lots_at_stop,
    lots_for_fraction,
    lots_for_volatility,
    round_lots,
    volatility_scale,
)
from kernel_lib.risk.stress import SHOCKS, Scenario, StressReport, shock, stress_report, worst_days
from kernel_lib.risk.var import (
    expected_shortfall,
    modified_value_at_risk,
    normal_expected_shortfall,
    normal_value_at_risk,
    portfolio_returns,
    value_at_risk,
)

__all__ = [
    "CATALOGUE",
    "SHOCKS",
    "Advice",
    "Attribution",
    "Breach",
    "Comovement",
    "DrawdownReport",
    "ExceptionsReport",
    "Expected",
    "Exposure",
    "Garch",
    "Greeks",
    "Judgement",
    "Limits",
    "Portfolio",
    "PortfolioState",
    "ProposedOrder",
    "Rebalancing",
    "RiskReport",
    "Scenario",
    "SizingCase",
    "StressReport",
    "TailRisk",
    "adjusted_sharpe_ratio",
    "aggregate_returns",
    "alpha",
    "alpha_beta",
    "annual_return",
    "annual_volatility",
    "appraisal_ratio",
    "average_drawdown",
    "batting_average",
    "bernardo_ledoit_ratio",
    "beta",
    "black_scholes",
    "burke_ratio",
    "calmar_ratio",
    "capture",
    "careful",
    "comovement",
    "concentration",
    "conditional_drawdown_at_risk",
    "configured",
    "correlated_exposure",
    "covariance",
    "cumulative_returns",
    "currency_rates",
    "custom_lots",
    "d_ratio",
    "default_limits",
    "down_alpha_beta",
    "down_capture",
    "downside_deviation",
    "downside_frequency",
    "downside_potential",
    "drawdown_control",
    "drawdown_report",
    "drawdowns",
    "efficient_frontier",
    "ewma_volatility",
    "expected_of_prices",
    "expected_of_returns",
    "expected_shortfall",
    "expected_shortfall_parts",
    "exposure",
    "fama_beta",
    "filtered_expected_shortfall",
    "filtered_returns",
    "filtered_value_at_risk",
    "fit_garch",
    "for_return",
    "for_volatility",
    "garch_volatility",
    "greeks",
    "hierarchical_risk_parity",
    "implied_volatility",
    "information_ratio",
    "instrument_exposures",
    "jensen_alpha",
    "judge",
    "kappa",
    "kelly_bet",
    "kelly_continuous",
    "kelly_growth",
    "kelly_of_trades",
    "kelly_portfolio",
    "kurtosis",
    "log_returns",
    "lots_at_stop",
    "lots_for_fraction",
    "lots_for_volatility",
    "m2_sortino",
    "m_squared",
    "m_squared_excess",
    "martin_ratio",
    "max_drawdown",
    "max_sharpe",
    "mean_absolute_deviation",
    "min_variance",
    "modified_value_at_risk",
    "net_selectivity",
    "normal_expected_shortfall",
    "normal_value_at_risk",
    "omega_ratio",
    "omega_sharpe_ratio",
    "pain_index",
    "pain_ratio",
    "portfolio_returns",
    "rebalance",
    "risk_parity",
    "risk_report",
    "rolling",
    "round_lots",
    "sharpe_ratio",
    "shock",
    "simple_returns",
    "skewness",
    "skewness_kurtosis_ratio",
    "sortino_ratio",
    "specific_risk",
    "stability",
    "stress_report",
    "systematic_risk",
    "tail_ratio",
    "to_correlation",
    "total_return",
    "total_risk",
    "tracking_error",
    "treynor_ratio",
    "ulcer_index",
    "up_alpha_beta",
    "up_capture",
    "up_down_capture",
    "upside_frequency",
    "upside_potential",
    "upside_potential_ratio",
    "upside_risk",
    "value_at_risk",
    "value_at_risk_exceptions",
    "value_at_risk_parts",
    "variability_skewness",
    "volatility_scale",
    "volatility_skewness",
    "worst_days",
]  # fmt: skip

#: Every measure by name, for help and for the catalogue.
CATALOGUE: dict[str, Any] = {name: globals()[name] for name in __all__ if name.islower()}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_such(__name__, name, __all__)


def __dir__() -> list[str]:
    """What a notebook completes: what the package is for, not the files it stands in."""
    return sorted(__all__)
