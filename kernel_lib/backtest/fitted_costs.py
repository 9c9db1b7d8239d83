"""Costs of the simulated broker fitted from recorded fills: latency, slippage, commission, and how well they fit.

The simulated broker's latency and slippage are a fixed part and an even one on top (:class:`Costs`). For the latency
the even part is as wide as twice the distance of the observed quartiles, and the fixed part such that the medians are
equal. For the slippage it has the observed variance, outermost twentieths drawn in (of whole numbers from 0 to w it is
((w + 1)^2 - 1) / 12), and the fixed part is such that the means are equal, which is what slippage costs. Slippage that
is below zero, or no whole number of points, the model cannot give: observed and modelled quantiles stand side by side.
"""

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData, Refused
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import TICK, Ticks
from kernel_lib.trading.account import AccountConfig, Costs
from kernel_lib.trading.record import EVENT, Kind

__all__ = ["LEAST_FILLS", "FittedCosts", "fit_costs"]

LEAST_FILLS = 30
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class FittedCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What recorded fills say of the broker.

    Parameters
    ----------
    costs : Costs
        For a replay or a passport.
    n_fills : int
        Fills of market orders that it comes of.
    observed, modelled : dict of str to tuple of float
        The 5, 25, 50, 75 and 95 percent quantiles of ``latency_ms``, ``slippage_points`` (against us positive; also by
        side, ``slippage_points_buy`` and ``slippage_points_sell``) and ``commission_per_lot``.
    reference : str
        What the slippage is counted from: ``"quote at the fill"``, where there were ticks, else ``"quote at the
        decision"``, so that the market's way during the latency is in it.
    """

    costs: Costs
    n_fills: int
    observed: dict[str, tuple[float, ...]]
    modelled: dict[str, tuple[float, ...]]
    reference: str

    def __repr__(self) -> str:
        lines = [f"costs of {self.n_fills} fills, slippage from the {self.reference}: {self.costs!r}"]
        for name, found in self.observed.items():
            modelled = self.modelled.get(name)
            beside = f" modelled {_shown(modelled)}" if modelled else ""
            lines.append(f"{name}: 5/25/50/75/95 percent {_shown(found)}{beside}")
        return "\n".join(lines)


def fit_costs(
    rows: npt.NDArray[np.void],
    instrument: Instrument,
    account: AccountConfig | None = None,
    *,
    ticks: Ticks | None = None,
) -> FittedCosts:
    """Fit the simulated broker's costs from the orders and fills of a record.

    Parameters
    ----------
    rows : ndarray of EVENT
        Of a journal or a replay (``run.events``): ORDER rows have the quote at the decision, FILL rows price and time.
        Stops and targets, which nobody sent, are left out.
    instrument : Instrument
    account : AccountConfig or None
        For its currency's digits; None: two.
    ticks : ndarray of TICK or None
        The market of the same time, so that slippage is counted from the quote that prevailed at the fill.

    Returns
    -------
    FittedCosts

    Raises
    ------
    Refused
        ``too_few_fills``: fewer than 30.
    BadData
        Rows or ticks of another dtype.
    """
    account = account or AccountConfig()
    if not isinstance(rows, np.ndarray) or rows.dtype != EVENT:
        raise BadData("rows must be an array of dtype EVENT, such as the events of a replay")
    if ticks is not None and (not isinstance(ticks, np.ndarray) or ticks.dtype != TICK):
        raise BadData("ticks must be an array of dtype TICK, or left out")
    orders = rows[rows["kind"] == int(Kind.ORDER)]
    fills = rows[rows["kind"] == int(Kind.FILL)]
    orders = orders[np.argsort(orders["order_id"], kind="stable")]
    places = np.searchsorted(orders["order_id"], fills["order_id"])
    known = (
        orders["order_id"][np.minimum(places, len(orders) - 1)] == fills["order_id"]
        if len(orders)
        else np.zeros(len(fills), bool)
    )
    fills, sent = fills[known], orders[places[known]]
    if len(fills) < LEAST_FILLS:
        raise Refused(
            "too_few_fills",
            f"costs are fitted from at least {LEAST_FILLS} fills, there were {len(fills)}; trade longer on paper or at "
            "the smallest size, or give Costs by hand",
        )
    side = fills["side"].astype(np.float64)
    latency = (fills["time_ns"] - sent["time_ns"]) / 1e6
    quotes = sent["points"].astype(np.float64) if ticks is None else _quotes(fills, ticks, instrument)
    slippage = (fills["points"] - quotes) * side
    lots = fills["units"] * instrument.lot_step
    commission = fills["commission_minor"] / 10.0**account.digits / lots
    lower, middle, upper = np.quantile(latency, (0.25, 0.5, 0.75))
    jitter = 2.0 * float(upper - lower)
    fixed = max(0.0, float(middle) - jitter / 2)
    drawn_in = np.clip(slippage, *np.quantile(slippage, (0.05, 0.95)))
    wide = round(math.sqrt(12.0 * float(drawn_in.var()) + 1.0) - 1.0)
    slip = max(0, round(float(slippage.mean()) - wide / 2))
    # A rebate is not counted on: a broker may end it any day.
    per_lot = max(0.0, float(np.round((commission * lots).sum() / lots.sum(), 4)))
    costs = Costs(
        commission_per_lot=per_lot, latency_ms=round(fixed, 3), latency_jitter_ms=round(jitter, 3),
        slippage_points=slip, slippage_random_points=wide,
    )  # fmt: skip
    observed = {"latency_ms": latency, "slippage_points": slippage, "commission_per_lot": commission}
    for name, of in (("buy", side > 0), ("sell", side < 0)):
        if of.any():
            observed[f"slippage_points_{name}"] = slippage[of]
    return FittedCosts(
        costs=costs, n_fills=len(fills),
        observed={name: _quantiles(each) for name, each in observed.items()},
        modelled={
            "latency_ms": tuple(fixed + jitter * share for share in _QUANTILES),
            "slippage_points": tuple(float(slip + min(wide, math.floor(share * (wide + 1)))) for share in _QUANTILES),
            "commission_per_lot": (per_lot,) * len(_QUANTILES),
        },
        reference="quote at the decision" if ticks is None else "quote at the fill",
    )  # fmt: skip


def _quotes(fills: npt.NDArray[np.void], ticks: Ticks, instrument: Instrument) -> npt.NDArray[np.float64]:
    at = np.searchsorted(ticks["time_ns"], fills["time_ns"], side="right") - 1
    if (at < 0).any():
        raise BadData("ticks must begin before the first fill")
    prices = np.where(fills["side"] > 0, ticks["ask"][at], ticks["bid"][at])
    points: npt.NDArray[np.float64] = np.round(prices * 10.0**instrument.digits)
    return points


def _quantiles(numbers: Any) -> tuple[float, ...]:
    return tuple(np.quantile(numbers, _QUANTILES).tolist())


def _shown(numbers: tuple[float, ...]) -> str:
    return " ".join(f"{each:.4g}" for each in numbers)
