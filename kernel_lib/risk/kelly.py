"""How much to bet: the fraction of capital that makes it grow fastest, and a careful share of it.

Kelly (1956) for bets, Thorp (2006) for continuous returns and for several assets. The full fraction assumes the odds
are known; they are estimates, so :func:`careful` takes a share of it (half by default) and caps it.
"""

import math
from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import Floats, complete, floats, number

__all__ = ["careful", "kelly_bet", "kelly_continuous", "kelly_growth", "kelly_of_trades", "kelly_portfolio"]


@declared
def kelly_bet(win_probability: float, payoff: float) -> float:
    """Give the fraction to stake on a bet that pays ``payoff`` to 1: ``p - (1 - p) / b``.

    Returns
    -------
    float
        Negative when the bet is unfavourable: take the other side, or none.

    >>> round(kelly_bet(0.6, 1.0), 6)
    0.2
    """
    if not 0.0 <= number(win_probability, "a probability") <= 1.0:
        raise BadData(f"a probability must be from 0 to 1, it was {win_probability!r}")
    if not 0.0 < number(payoff, "a payoff") < math.inf:
        raise BadData(f"a payoff must be above 0, it was {payoff!r}")
    return win_probability - (1.0 - win_probability) / payoff


@declared
def kelly_of_trades(profits: Any) -> float:
    """Give the fraction to risk a trade, from closed trades: win rate and mean win over mean loss.

    Parameters
    ----------
    profits : array_like, shape (n_trades,)
        Money or multiples of what was risked; zero counts as neither.

    Returns
    -------
    float
        Share of capital to risk, negative without an edge; NaN when there is no loss or no win to learn from.

    >>> round(kelly_of_trades([1.0, 1.0, 1.0, -1.0, -1.0]), 6)
    0.2
    """
    array = complete(profits, "profits")
    won, lost = array[array > 0.0], array[array < 0.0]
    if not (won.size and lost.size):
        return float("nan")
    return kelly_bet(len(won) / (len(won) + len(lost)), float(won.mean() / -lost.mean()))


@declared
def kelly_continuous(mean: float, volatility: float, risk_free: float = 0.0) -> float:
    """Give the leverage that makes capital grow fastest: ``(m - r) / s**2``.

    Parameters
    ----------
    mean, volatility, risk_free : float
        Of the same span, say a year.

    Examples
    --------
    Thorp's S&P 500: mean 11 %, deviation 15 %, rate 6 %.

    >>> round(kelly_continuous(0.11, 0.15, 0.06), 2)
    2.22
    """
    _finite(mean=mean, risk_free=risk_free)
    if not 1e-100 < number(volatility, "a volatility") < 1e100:
        raise BadData(f"a volatility must be above 0, it was {volatility!r}")
    return (mean - risk_free) / volatility**2


@declared
def kelly_growth(fraction: float, mean: float, volatility: float, risk_free: float = 0.0) -> float:
    """Give the growth rate at a leverage: ``r + f (m - r) - s**2 f**2 / 2`` (Thorp, section 7).

    >>> round(kelly_growth(2.2222222222, 0.11, 0.15, 0.06), 4)
    0.1156
    """
    _finite(fraction=fraction, mean=mean, risk_free=risk_free, volatility=volatility)
    return risk_free + fraction * (mean - risk_free) - 0.5 * (volatility * fraction) ** 2


@declared
def kelly_portfolio(means: Any, covariance: Any, risk_free: float = 0.0) -> Floats:
    """Give the leverages of several assets: ``inverse(C) (m - r)`` (Thorp, section 7.4).

    Parameters
    ----------
    means : array_like, shape (n_assets,)
    covariance : array_like, shape (n_assets, n_assets)
        Of the same span as the means.

    Raises
    ------
    BadData
        A covariance that can't be inverted, as with two assets that are one; shrink it (``ledoit_wolf``).

    >>> kelly_portfolio([0.11, 0.08], [[0.0225, 0.0], [0.0, 0.04]], 0.06).round(3).tolist()
    [2.222, 0.5]
    """
    money = complete(means, "means")
    matrix = floats(covariance, "a covariance")
    if matrix.shape != (len(money), len(money)) or not np.isfinite(matrix).all():
        raise BadData(f"{len(money)} means need a finite covariance of that size, its shape was {matrix.shape}")
    if np.linalg.matrix_rank(matrix, hermitian=True) < len(money):
        raise BadData(
            "a covariance must be invertible, this one is singular: two assets move as one, or there are fewer "
            "observations than assets; use kernel_lib.risk.covariance(returns, 'ledoit_wolf')"
        )
    return np.asarray(np.linalg.solve(matrix, money - risk_free))


@declared
def careful(fraction: float, *, share: float = 0.5, cap: float = 1.0) -> float:
    """Take a share of a Kelly fraction, never below nothing and never above a cap.

    Half the fraction keeps three quarters of the growth at half the deviation. A negative or unknown (NaN) fraction
    gives 0.

    >>> careful(0.3), careful(5.0, cap=0.2), careful(-0.1)
    (0.15, 0.2, 0.0)
    """
    if not 0.0 < number(share, "a share of Kelly") <= 1.0:
        raise BadData(f"a share of Kelly must be above 0 and at most 1, it was {share!r}")
    if not 0.0 < number(cap, "a cap") < math.inf:
        raise BadData(f"a cap must be above 0, it was {cap!r}")
    if math.isnan(number(fraction, "a Kelly fraction")):
        return 0.0
    return min(cap, max(0.0, fraction * share))


def _finite(**given: float) -> None:
    for name, each in given.items():
        if not abs(number(each, name)) < 1e100:
            raise BadData(f"{name} must be a number below 1e100 in size, it was {each!r}")
