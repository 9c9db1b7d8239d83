"""Does a value at risk hold? Count the days that lost more than it said, and test whether that is chance.

Kupiec (1995) tests the number of exceptions, Christoffersen (1998) whether they come in clusters, and the Basel
committee's traffic light (1996) sorts 250 days at 99 percent into green, yellow and red.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import complete, number
from kernel_lib.risk.shown import Shown, Table
from kernel_lib.risk.var import check_confidence

__all__ = ["ExceptionsReport", "value_at_risk_exceptions"]

_GREEN, _YELLOW = 0.95, 0.9999


class ExceptionsReport(Shown, frozen=True, kw_only=True):
    """How often losses went beyond a value at risk.

    Parameters
    ----------
    n_periods, n_exceptions : int
    expected : float
        Exceptions that the confidence allows for.
    kupiec, christoffersen : float
        Likelihood ratios: of the number, and of independence from one period to the next (NaN without two periods).
    kupiec_p, christoffersen_p : float
        Chance of a ratio as large if the figures were right; below 0.05 doubt them.
    light : {"green", "yellow", "red"}
        By the chance of at most so many exceptions: below 95 %, below 99.99 %, beyond.
    exceptions : ndarray of bool, shape (n_periods,)
    """

    n_periods: int
    n_exceptions: int
    expected: float
    kupiec: float
    kupiec_p: float
    christoffersen: float
    christoffersen_p: float
    light: str
    exceptions: Any

    def _table(self) -> Table:
        return ("Exceptions of a value at risk", (), [
            ("periods", f"{self.n_periods:,}"), ("exceptions", self.n_exceptions),
            ("expected", f"{self.expected:.1f}"), ("Kupiec, chance", self.kupiec_p),
            ("Christoffersen, chance", self.christoffersen_p), ("traffic light", self.light),
        ])  # fmt: skip

    def plot(self) -> Any:
        """Draw the running number of exceptions beside what was to be expected; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 3), layout="constrained")
        axes = figure.subplots()
        axes.step(np.arange(self.n_periods), np.cumsum(self.exceptions), where="post", label="exceptions")
        axes.plot([0, self.n_periods], [0.0, self.expected], ls="--", label="expected")
        axes.set_xlabel("period")
        axes.legend(frameon=False)
        return figure


@declared
def value_at_risk_exceptions(gains: Any, limits: Any, *, confidence: float = 0.99) -> ExceptionsReport:
    """Test a series of value-at-risk figures against what then happened.

    Parameters
    ----------
    gains : array_like, shape (n_periods,)
        Returns or money; no NaN.
    limits : float or array_like, shape (n_periods,)
        The value at risk told *before* each period, a positive loss.
    confidence : float
        That of the figures.

    Examples
    --------
    Kupiec: 7 exceptions in 255 days at 99 percent.

    >>> gains = np.where(np.arange(255) % 40 == 0, -2.0, 0.0)
    >>> found = value_at_risk_exceptions(gains, 1.0)
    >>> found.n_exceptions, round(found.kupiec, 2), found.light
    (7, 5.32, 'yellow')
    """
    from scipy.stats import binom, chi2

    array = complete(gains, "gains")
    told = np.full(array.shape, number(limits, "a limit")) if np.ndim(limits) == 0 else complete(limits, "limits")
    if told.shape != array.shape or np.isnan(told).any():
        raise BadData(f"limits must be one number, or one for each of the {len(array)} periods")
    share = 1.0 - check_confidence(confidence)
    hit = array < -told
    n, x = len(array), int(hit.sum())
    kupiec = max(0.0, 2.0 * (_likelihood(n - x, x, x / n) - _likelihood(n - x, x, share)))
    ratio = _clustering(hit)
    at_most = float(binom.cdf(x, n, share))
    return ExceptionsReport(
        n_periods=n, n_exceptions=x, expected=n * share, kupiec=kupiec, kupiec_p=float(chi2.sf(kupiec, 1)),
        christoffersen=ratio, christoffersen_p=float(chi2.sf(ratio, 1)),
        light="green" if at_most < _GREEN else "yellow" if at_most < _YELLOW else "red", exceptions=hit,
    )  # fmt: skip


def _clustering(hit: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    if len(hit) < 2:
        return float("nan")
    before, now = hit[:-1], hit[1:]
    n00, n01 = int(np.sum(~before & ~now)), int(np.sum(~before & now))
    n10, n11 = int(np.sum(before & ~now)), int(np.sum(before & now))
    alike = (n01 + n11) / (n00 + n01 + n10 + n11)
    apart = _likelihood(n00, n01, n01 / max(1, n00 + n01)) + _likelihood(n10, n11, n11 / max(1, n10 + n11))
    return max(0.0, 2.0 * (apart - _likelihood(n00 + n10, n01 + n11, alike)))


def _likelihood(missed: int, hit: int, chance: float) -> float:
    """Logarithm of ``(1 - p)**missed * p**hit``, with 0**0 taken as 1."""
    total = 0.0
    if missed:
        total += missed * float(np.log1p(-chance)) if chance < 1.0 else -np.inf
    if hit:
        total += hit * float(np.log(chance)) if chance > 0.0 else -np.inf
    return total
