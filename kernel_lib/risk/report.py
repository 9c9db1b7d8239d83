"""One look at the risk of a series or a portfolio: value at risk and shortfall by every method, side by side."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.filtered import filtered_expected_shortfall, filtered_value_at_risk
from kernel_lib.risk.series import Floats
from kernel_lib.risk.shown import Shown, Table, fraction_pct, money
from kernel_lib.risk.var import (
    expected_shortfall,
    modified_value_at_risk,
    normal_expected_shortfall,
    normal_value_at_risk,
    portfolio_returns,
    value_at_risk,
)

__all__ = ["RiskReport", "TailRisk", "risk_report"]


class TailRisk(msgspec.Struct, frozen=True, kw_only=True):
    """One method at one confidence; losses are positive, ``expected_shortfall`` NaN where the method has none."""

    method: str
    confidence: float
    value_at_risk: float
    expected_shortfall: float


class RiskReport(Shown, frozen=True, kw_only=True):
    """Tail risk by method.

    Parameters
    ----------
    gains : ndarray, shape (n_periods,)
        What each period brought: fractions, or money where exposures were given.
    horizon : float
        Periods ahead.
    tails : tuple of TailRisk
        Historical, filtered, normal and modified, at each confidence.
    currency : str
        Empty for fractions.
    """

    gains: Floats
    horizon: float
    tails: tuple[TailRisk, ...]
    currency: str

    def at(self, method: str, confidence: float) -> TailRisk:
        """Give one method's figures; a method or confidence that was not asked for is :class:`BadData`."""
        found = [each for each in self.tails if (each.method, each.confidence) == (method, confidence)]
        if not found:
            known = ", ".join(f"{each.method} at {each.confidence:g}" for each in self.tails)
            raise BadData(f"the report holds {known}; it has no {method!r} at {confidence!r}")
        return found[0]

    def _table(self) -> Table:
        show = (lambda number: money(number, self.currency)) if self.currency else fraction_pct
        rows = [
            [each.method, f"{100 * each.confidence:g} %", show(each.value_at_risk), show(each.expected_shortfall)]
            for each in self.tails
        ]
        title = f"Loss over {self.horizon:g} period{'s' * (self.horizon != 1)}, from {len(self.gains):,} observations"
        return (title, ("method", "confidence", "value at risk", "expected shortfall"), rows)

    def plot(self) -> Any:
        """Draw the distribution of gains with the historical figures; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.hist(self.gains, bins=min(80, max(10, len(self.gains) // 10)), color="tab:gray", alpha=0.7)
        for number, each in enumerate(tail for tail in self.tails if tail.method == "historical"):
            axes.axvline(-each.value_at_risk, color=f"C{number + 1}", label=f"at risk {100 * each.confidence:g} %")
        axes.set_xlabel(f"gain of {self.horizon:g} periods, {self.currency or 'fraction'}")
        axes.set_ylabel("observations")
        axes.legend(frameon=False)
        return figure


@declared
def risk_report(
    returns: Any,
    exposures: Any = None,
    *,
    confidences: Sequence[float] = (0.95, 0.99),
    horizon: float = 1.0,
    currency: str = "",
) -> RiskReport:
    """Compare the methods on one series or portfolio.

    Parameters
    ----------
    returns, exposures, horizon
        As :func:`~kernel_lib.risk.var.value_at_risk`.
    confidences : sequence of float
    currency : str
        Of the exposures, for what is shown.

    Raises
    ------
    BadData
        As value at risk.

    >>> report = risk_report([0.01, -0.02, 0.015, -0.005, 0.0, 0.01])
    >>> [each.method for each in report.tails[:4]]
    ['historical', 'filtered', 'normal', 'modified']
    """
    gains = portfolio_returns(returns, exposures)
    tails = []
    for confidence in confidences:
        how: dict[str, Any] = {"confidence": confidence, "horizon": horizon}
        moves = bool(np.any(gains))
        tails += [
            TailRisk(
                method="historical", confidence=confidence, value_at_risk=value_at_risk(gains, **how),
                expected_shortfall=expected_shortfall(gains, **how),
            ),
            TailRisk(
                method="filtered", confidence=confidence,
                value_at_risk=filtered_value_at_risk(returns, exposures, **how) if moves else 0.0,
                expected_shortfall=filtered_expected_shortfall(returns, exposures, **how) if moves else 0.0,
            ),
            TailRisk(
                method="normal", confidence=confidence, value_at_risk=normal_value_at_risk(gains, **how),
                expected_shortfall=normal_expected_shortfall(gains, **how),
            ),
            TailRisk(
                method="modified", confidence=confidence, value_at_risk=modified_value_at_risk(gains, **how),
                expected_shortfall=float("nan"),
            ),
        ]  # fmt: skip
    return RiskReport(gains=gains, horizon=horizon, tails=tuple(tails), currency=currency)
