"""Where a portfolio's risk comes from: each instrument's part of its value at risk and expected shortfall.

Both measures grow in proportion to the positions, so by Euler's theorem the parts add up to the whole (Jorion,
chapter 7; Tasche 1999). A negative part is a hedge: more of it would lower the risk.
"""

from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, amounts, complete, floats, table
from kernel_lib.risk.shown import Shown, Table, fraction_pct, money
from kernel_lib.risk.var import check_confidence, normal_value_at_risk

__all__ = ["Attribution", "expected_shortfall_parts", "value_at_risk_parts"]

_SLACK = 1e-9


class Attribution(Shown, frozen=True, kw_only=True):
    """Parts of a risk by instrument.

    Parameters
    ----------
    measure : str
    names : tuple of str
    parts : ndarray, shape (n_instruments,)
        Losses, in the unit of the exposures; they add up to ``total``.
    total : float
    """

    measure: str
    names: tuple[str, ...]
    parts: Floats
    total: float

    @property
    def shares(self) -> Floats:
        """Parts over the total; NaN without any risk."""
        return self.parts / self.total if self.total else np.full(len(self.parts), np.nan)

    def _table(self) -> Table:
        order = np.argsort(-self.parts)
        rows = [[self.names[i], money(float(self.parts[i])), fraction_pct(float(self.shares[i]))] for i in order]
        return (f"{self.measure}: {money(self.total)}", ("", "part", "share"), rows)

    def plot(self) -> Any:
        """Draw the parts; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        order = np.argsort(self.parts)
        figure = Figure(figsize=(7, 1 + 0.3 * len(order)), layout="constrained")
        axes = figure.subplots()
        axes.barh([self.names[i] for i in order], self.parts[order],
                  color=["tab:red" if self.parts[i] > 0 else "tab:green" for i in order])  # fmt: skip
        axes.axvline(0.0, color="black", lw=0.6)
        axes.set_xlabel(f"part of {self.measure}")
        return figure


@declared
def value_at_risk_parts(
    covariance: Any, exposures: Any, *, names: tuple[str, ...] = (), confidence: float = 0.95, horizon: float = 1.0
) -> Attribution:
    """Split the value at risk of a normal distribution without mean: ``z * e_i (C e)_i / sqrt(e' C e)``.

    Parameters
    ----------
    covariance : array_like, shape (n_instruments, n_instruments)
        Of one period's returns.
    exposures : array_like, shape (n_instruments,)
        Money, short negative.
    names : tuple of str
        Of the instruments; empty takes those of a DataFrame's columns, or numbers them.

    >>> found = value_at_risk_parts([[0.0004, 0.0], [0.0, 0.0001]], [300.0, 800.0], names=("a", "b"), confidence=0.99)
    >>> found.parts.round(4).tolist(), round(found.total, 4)
    ([8.3749, 14.8886], 23.2635)
    """
    matrix, columns = floats(covariance, "a covariance"), tuple(map(str, getattr(covariance, "columns", ())))
    held = amounts(exposures, covariance) if columns else complete(exposures, "exposures")
    if matrix.shape != (len(held), len(held)) or np.isnan(matrix).any():
        raise BadData(f"{len(held)} exposures need a covariance of that size, its shape was {matrix.shape}")
    pull = matrix @ held
    deviation = float(np.sqrt(max(0.0, float(held @ pull))))
    total = normal_value_at_risk(mean=0.0, volatility=deviation, confidence=confidence, horizon=horizon)
    parts = held * pull * (total / deviation**2) if deviation > 0.0 else np.zeros(len(held))
    return Attribution(
        measure="value at risk",
        names=_named(names or columns, len(held)),
        parts=parts,
        total=total,
    )


@declared
def expected_shortfall_parts(returns: Any, exposures: Any, *, confidence: float = 0.95) -> Attribution:
    """Split the historical expected shortfall: what each instrument lost in the portfolio's worst periods.

    The tail is Rockafellar and Uryasev's, the period at the edge counts with its part (``method="order"`` of
    :func:`~kernel_lib.risk.var.expected_shortfall`).

    Parameters
    ----------
    returns : array_like or DataFrame, shape (n_periods, n_instruments)
        No NaN.
    exposures : array_like, shape (n_instruments,)
        Money, short negative.

    >>> found = expected_shortfall_parts([[-0.01, 0.02], [0.01, -0.04], [0.0, 0.0]], [100.0, 50.0], confidence=0.6)
    >>> found.parts.round(4).tolist(), round(found.total, 4)
    ([-0.6667, 1.5], 0.8333)
    """
    rates, columns = table(returns)
    gains = rates * amounts(exposures, returns)
    worst = np.argsort(gains.sum(axis=1), kind="stable")
    length = len(worst) * (1.0 - check_confidence(confidence))
    whole = int(np.ceil(length - _SLACK)) - 1
    weights = np.zeros(len(worst))
    weights[worst[:whole]] = 1.0
    weights[worst[whole]] = length - whole
    parts = -(weights @ gains) / length
    return Attribution(measure="expected shortfall", names=columns, parts=parts, total=float(parts.sum()))


def _named(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    if names and len(names) != count:
        raise BadData(f"names must be one for each of the {count} instruments, there were {len(names)}")
    return tuple(names) or tuple(f"x{i}" for i in range(count))
