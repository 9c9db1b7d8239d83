"""A portfolio: weights, what they are expected to bring, and where the risk comes from."""

from typing import Any

import numpy as np

from kernel_lib.risk.expected import Expected
from kernel_lib.risk.series import Floats, over
from kernel_lib.risk.shown import Shown, Table, fraction_pct

__all__ = ["Portfolio", "portfolio"]


class Portfolio(Shown, frozen=True, kw_only=True):
    """Weights, and what they are expected to bring in the span of the inputs.

    Parameters
    ----------
    names : tuple of str
    weights : ndarray, shape (n_instruments,)
        Shares of the capital.
    expected_return, volatility : float
    sharpe_ratio : float
        ``(expected_return - risk_free) / volatility`` with the ``risk_free`` of the call.
    risk_shares : ndarray, shape (n_instruments,)
        Share of the variance that each instrument brings; they add up to 1, or are NaN without any variance.
    """

    names: tuple[str, ...]
    weights: Floats
    expected_return: float
    volatility: float
    sharpe_ratio: float
    risk_shares: Floats

    def cleaned(self, cutoff: float = 1e-4) -> dict[str, float]:
        """Give the weights by name without what is below ``cutoff``, which a solver leaves for zero."""
        return {
            name: float(weight) for name, weight in zip(self.names, self.weights, strict=True) if abs(weight) >= cutoff
        }

    def _table(self) -> Table:
        order = np.argsort(-np.abs(self.weights))
        rows = [[self.names[i], fraction_pct(self.weights[i]), fraction_pct(self.risk_shares[i])] for i in order]
        title = (
            f"Expected return {fraction_pct(self.expected_return)}, volatility {fraction_pct(self.volatility)}, "
            f"Sharpe {self.sharpe_ratio:.2f}"
        )
        return (title, ("", "weight", "share of risk"), rows)

    def plot(self) -> Any:
        """Draw weights beside shares of risk; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        place = np.arange(len(self.names))
        figure = Figure(figsize=(1.5 + 0.5 * len(place), 3.5), layout="constrained")
        axes = figure.subplots()
        axes.bar(place - 0.2, 100.0 * self.weights, 0.4, label="weight")
        axes.bar(place + 0.2, 100.0 * self.risk_shares, 0.4, label="share of risk")
        axes.set_xticks(place, self.names, rotation=90)
        axes.set_ylabel("%")
        axes.legend(frameon=False)
        return figure


def portfolio(expected: Expected, weights: Floats, risk_free: float = 0.0) -> Portfolio:
    """Describe weights by what is expected of their instruments.

    >>> beliefs = Expected(names=("a", "b"), means=[0.1, 0.1], covariance=[[0.04, 0.0], [0.0, 0.01]])
    >>> portfolio(beliefs, np.array([0.5, 0.5])).risk_shares.round(4).tolist()
    [0.8, 0.2]
    """
    matrix = expected.covariance
    brought = float(weights @ expected.means)
    variance = float(weights @ matrix @ weights)
    return Portfolio(
        names=expected.names, weights=weights, expected_return=brought, volatility=float(np.sqrt(variance)),
        sharpe_ratio=over(brought - risk_free, float(np.sqrt(variance))),
        risk_shares=weights * (matrix @ weights) / variance if variance > 0.0 else np.full(len(weights), np.nan),
    )  # fmt: skip
