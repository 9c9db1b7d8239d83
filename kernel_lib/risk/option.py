"""Black-Scholes-Merton: price, sensitivities and implied volatility of a European option.

Continuous rates, a year as the unit of time, ``carry`` the continuous yield of the underlying (a dividend yield, or
the foreign rate of a currency pair: Garman and Kohlhagen). Formulas as in Hull, chapters 15, 17 and 19.
"""

import math
from statistics import NormalDist
from typing import Literal

import msgspec

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.risk.series import number

__all__ = ["Greeks", "black_scholes", "greeks", "implied_volatility"]

Kind = Literal["call", "put"]
_NORMAL = NormalDist()
# Growth beyond exp(100) is no market, and its inverse times a price is soon nothing at all.
_MOST_GROWTH = 100.0
_MOST_VOLATILITY = 100.0


class Greeks(msgspec.Struct, frozen=True, kw_only=True):
    """Sensitivities of an option's price.

    Parameters
    ----------
    delta : float
        Per unit of the underlying.
    gamma : float
        Of delta, per unit of the underlying.
    vega : float
        Per 1.00 of volatility (a hundredth of it per percentage point).
    theta : float
        Per year of time passing (divide by 365 or 252 for a day).
    rho : float
        Per 1.00 of the rate.
    """

    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


@declared
def black_scholes(
    spot: float, strike: float, years: float, rate: float, volatility: float, kind: Kind = "call", carry: float = 0.0
) -> float:
    """Give the price of a European option.

    Parameters
    ----------
    spot, strike : float
        Above 0.
    years : float
        To expiry; at 0 the price is what it pays at once.
    rate, volatility, carry : float
        A year; volatility of 0 gives the discounted payoff of the forward.
    kind : {"call", "put"}

    Raises
    ------
    BadData
        A number out of its range.

    Examples
    --------
    Hull, example 15.6:

    >>> round(black_scholes(42, 40, 0.5, 0.10, 0.20), 2), round(black_scholes(42, 40, 0.5, 0.10, 0.20, "put"), 2)
    (4.76, 0.81)
    """
    sign = _checked(spot, strike, years, rate, volatility, kind, carry)
    forward, discounted = spot * math.exp(-carry * years), strike * math.exp(-rate * years)
    if volatility == 0.0 or years == 0.0:
        return max(0.0, sign * (forward - discounted))
    d1, d2 = _d(forward, discounted, years, volatility)
    return sign * (forward * _NORMAL.cdf(sign * d1) - discounted * _NORMAL.cdf(sign * d2))


@declared
def greeks(
    spot: float, strike: float, years: float, rate: float, volatility: float, kind: Kind = "call", carry: float = 0.0
) -> Greeks:
    """Give the sensitivities of a European option; parameters as :func:`black_scholes`, time and volatility above 0.

    Examples
    --------
    Hull, chapter 19: 49, 50, 20 weeks, 5 %, 20 %.

    >>> round(greeks(49, 50, 20 / 52, 0.05, 0.20).delta, 3)
    0.522
    """
    sign = _checked(spot, strike, years, rate, volatility, kind, carry)
    if volatility == 0.0 or years == 0.0:
        raise BadData("an option needs time and volatility above 0 to have sensitivities")
    forward, discounted = spot * math.exp(-carry * years), strike * math.exp(-rate * years)
    d1, d2 = _d(forward, discounted, years, volatility)
    root, density = math.sqrt(years), _NORMAL.pdf(d1)
    fade = math.exp(-carry * years)
    return Greeks(
        delta=sign * fade * _NORMAL.cdf(sign * d1),
        gamma=fade * density / (spot * volatility * root),
        vega=forward * density * root,
        theta=-forward * density * volatility / (2.0 * root)
        + sign * (carry * forward * _NORMAL.cdf(sign * d1) - rate * discounted * _NORMAL.cdf(sign * d2)),
        rho=sign * years * discounted * _NORMAL.cdf(sign * d2),
    )


@declared
def implied_volatility(
    price: float, spot: float, strike: float, years: float, rate: float, kind: Kind = "call", carry: float = 0.0
) -> float:
    """Give the volatility at which the formula gives a price, to 1e-10.

    Raises
    ------
    BadData
        The price is outside what any volatility can give.

    Examples
    --------
    Hull, section 15.11: a call at 1.875 with 21, 20, 0.25 years, 10 %.

    >>> round(implied_volatility(1.875, 21, 20, 0.25, 0.10), 3)
    0.235
    """
    sign = _checked(spot, strike, years, rate, 1.0, kind, carry)
    if years == 0.0:
        raise BadData("an option that expires now has no implied volatility")
    forward, discounted = spot * math.exp(-carry * years), strike * math.exp(-rate * years)
    least, most = max(0.0, sign * (forward - discounted)), forward if sign > 0 else discounted
    if not (math.isfinite(price) and least <= price < most):
        raise BadData(f"the price of this {kind} must be from {least:.6g} to below {most:.6g}, it was {price!r}")
    low, high = 0.0, 1.0
    while black_scholes(spot, strike, years, rate, high, kind, carry) < price:
        low, high = high, high * 2.0
        if high > _MOST_VOLATILITY:
            raise BadData(f"no volatility up to {_MOST_VOLATILITY:g} gives the price {price!r}")
    while high - low > 1e-10:
        middle = 0.5 * (low + high)
        if black_scholes(spot, strike, years, rate, middle, kind, carry) < price:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _d(forward: float, discounted: float, years: float, volatility: float) -> tuple[float, float]:
    spread = volatility * math.sqrt(years)
    d1 = math.log(forward / discounted) / spread + 0.5 * spread
    return d1, d1 - spread


def _checked(
    spot: float, strike: float, years: float, rate: float, volatility: float, kind: str, carry: float
) -> float:
    for name, given, least in (
        ("spot", spot, 0.0), ("strike", strike, 0.0), ("years", years, -1.0), ("volatility", volatility, -1.0),
    ):  # fmt: skip
        if not math.isfinite(number(given, name)) or given <= least or given < 0.0:
            raise BadData(f"{name} must be {'above' if least == 0.0 else 'at least'} 0, it was {given!r}")
    for name, given in (("rate", rate), ("carry", carry)):
        if not abs(number(given, name)) * years <= _MOST_GROWTH:
            raise BadData(
                f"{name} times years must be within {_MOST_GROWTH:g}, {name} was {given!r} over {years!r} years"
            )
    if kind not in ("call", "put"):
        raise BadData(f"an option is a 'call' or a 'put', it was {kind!r}")
    return 1.0 if kind == "call" else -1.0
