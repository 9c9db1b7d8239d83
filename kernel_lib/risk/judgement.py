"""The verdict on a proposed order: one pure function for the desk's risk tree, notebooks and pages.

An order that only reduces the position is always allowed: a limit must never hold a position open.
"""

import math
from typing import Literal

import msgspec

from kernel_lib.declared import Declared, declared
from kernel_lib.market.instrument import Instrument
from kernel_lib.risk.limits import Limits
from kernel_lib.risk.shown import fraction_pct, rows_html

__all__ = ["Breach", "BreachName", "Judgement", "PortfolioState", "ProposedOrder", "judge"]

BreachName = Literal[
    "bad_order", "max_lots", "order_risk", "no_stop", "price_collar", "message_rate", "strategy_drawdown",
    "daily_loss", "total_drawdown", "value_at_risk_95", "value_at_risk_99",
]  # fmt: skip


class ProposedOrder(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """An order before it is asked for.

    Parameters
    ----------
    instrument : Instrument
    lots : float
        Bought positive, sold negative.
    price : float
        At which it should fill.
    stop_loss : float
        Price; 0 without one.
    bid, ask : float
        The quote now.
    atr : float
        Average true range, in price; NaN when unknown.
    profit_rate : float
        Worth of one unit of the profit currency in the account's.
    """

    instrument: Instrument
    lots: float
    price: float
    bid: float
    ask: float
    stop_loss: float = 0.0
    atr: float = math.nan
    profit_rate: float = 1.0


class PortfolioState(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """Where the tenant stands; money in account currency.

    Parameters
    ----------
    equity, day_start_equity, peak_equity : float
        Of the tenant: now, at the server's midnight, at its highest.
    strategy_equity, strategy_peak_equity : float
        Of the strategy that proposes; NaN when it has no account of its own, which leaves its drawdown out.
    lots : float
        Net position in the order's instrument.
    orders_last_minute : int
    value_at_risk_95, value_at_risk_99 : float
        Of the portfolio *with* the order, for a day; NaN when not computed, which denies where a limit is set.
    """

    equity: float
    day_start_equity: float
    peak_equity: float
    strategy_equity: float = math.nan
    strategy_peak_equity: float = math.nan
    lots: float = 0.0
    orders_last_minute: int = 0
    value_at_risk_95: float = math.nan
    value_at_risk_99: float = math.nan


class Breach(msgspec.Struct, frozen=True):
    """One limit that an order would break: its name, the limit, what it was, and that in words."""

    name: BreachName
    limit: float
    was: float
    message: str


class Judgement(msgspec.Struct, frozen=True):
    """The verdict: allowed when nothing is breached; ``risk_fraction`` is lost at the stop, NaN without one."""

    breaches: tuple[Breach, ...]
    risk_fraction: float

    @property
    def allowed(self) -> bool:
        """Whether the order may go."""
        return not self.breaches

    def _repr_html_(self) -> str:
        rows = [[each.name, f"{each.was:g}", f"{each.limit:g}", each.message] for each in self.breaches]
        return rows_html("Allowed" if self.allowed else "Denied", ("limit", "was", "may be", ""), rows)


@declared
def judge(order: ProposedOrder, state: PortfolioState, limits: Limits) -> Judgement:
    """Judge an order against the limits; an order that only reduces is allowed whatever they say.

    Examples
    --------
    >>> from kernel_lib.market.instrument import EURUSD
    >>> from kernel_lib.risk.limits import default_limits
    >>> from kernel_lib.tiers import TIERS
    >>> order = ProposedOrder(instrument=EURUSD, lots=0.5, price=1.1, bid=1.0999, ask=1.1, stop_loss=1.095)
    >>> state = PortfolioState(equity=10_000.0, day_start_equity=10_000.0, peak_equity=10_000.0)
    >>> verdict = judge(order, state, default_limits(TIERS["pro"]))
    >>> verdict.allowed, verdict.breaches[0].message
    (False, 'at its stop the order must lose at most 2.00 % of the equity, it was 2.50 %')
    """
    numbers = (order.lots, order.price, order.bid, order.ask, order.profit_rate, state.equity, order.stop_loss)
    if not all(map(math.isfinite, numbers)) or order.lots == 0.0 or not 0.0 < order.bid <= order.ask:
        return _bad("an order needs lots, a price and a quote that are finite numbers")
    after = state.lots + order.lots
    if abs(after) < abs(state.lots) and after * state.lots >= 0.0:
        return Judgement((), math.nan)
    if state.equity <= 0.0 or order.price <= 0.0 or order.profit_rate <= 0.0:
        return _bad("an entry needs equity, price and rate above 0")
    found: list[Breach] = []
    if limits.max_lots is not None and abs(after) > limits.max_lots + 1e-9:
        words = f"the position must be at most {limits.max_lots:g} lots, it would be {abs(after):g}"
        found.append(Breach("max_lots", limits.max_lots, abs(after), words))
    risk = _risk_fraction(order, state, found, limits)
    _check_collar(order, limits, found)
    if state.orders_last_minute >= limits.orders_per_minute:
        words = f"there must be at most {limits.orders_per_minute} orders a minute, this is one more"
        found.append(Breach("message_rate", limits.orders_per_minute, state.orders_last_minute, words))
    _check_fall("strategy_drawdown", "the strategy's drawdown", state.strategy_equity, state.strategy_peak_equity,
                limits.strategy_drawdown_fraction, found)  # fmt: skip
    _check_fall("daily_loss", "the loss of the day", state.equity, state.day_start_equity,
                limits.daily_loss_fraction, found)  # fmt: skip
    _check_fall("total_drawdown", "the drawdown", state.equity, state.peak_equity,
                limits.total_drawdown_fraction, found)  # fmt: skip
    _check_tail("value_at_risk_95", state.value_at_risk_95, limits.value_at_risk_95_fraction, state.equity, found)
    _check_tail("value_at_risk_99", state.value_at_risk_99, limits.value_at_risk_99_fraction, state.equity, found)
    return Judgement(tuple(found), risk)


def _risk_fraction(order: ProposedOrder, state: PortfolioState, found: list[Breach], limits: Limits) -> float:
    distance = (order.price - order.stop_loss) * (1.0 if order.lots > 0.0 else -1.0)
    if order.stop_loss <= 0.0 or distance <= 0.0:
        if limits.needs_stop:
            words = "an entry must have a stop-loss on its losing side, or its risk is not known"
            found.append(Breach("no_stop", 0.0, order.stop_loss, words))
        return math.nan
    risk = distance * abs(order.lots) * order.instrument.contract_size * order.profit_rate / state.equity
    if risk > limits.order_risk_fraction * (1.0 + 1e-9):
        found.append(Breach("order_risk", limits.order_risk_fraction, risk,
                            f"at its stop the order must lose at most {fraction_pct(limits.order_risk_fraction)} of "
                            f"the equity, it was {fraction_pct(risk)}"))  # fmt: skip
    return risk


def _check_collar(order: ProposedOrder, limits: Limits, found: list[Breach]) -> None:
    pip = order.instrument.point * (10.0 if order.instrument.digits in (3, 5) else 1.0)
    width = limits.collar_pips * pip
    if order.atr > 0.0:
        width = max(width, limits.collar_atr * order.atr)
    away = max(order.price - order.ask, order.bid - order.price)
    if away > width * (1.0 + 1e-9):
        words = f"the price must be within {width / pip:.1f} pips of the quote, it was {away / pip:.1f}"
        found.append(Breach("price_collar", width / pip, away / pip, words))


def _check_fall(name: BreachName, words: str, now: float, before: float, limit: float, found: list[Breach]) -> None:
    if math.isnan(now) and name == "strategy_drawdown":
        return
    fall = 1.0 - now / before if before > 0.0 else math.nan
    if not fall < limit:
        found.append(
            Breach(name, limit, fall, f"{words} must be below {fraction_pct(limit)}, it was {fraction_pct(fall)}")
        )


def _check_tail(name: BreachName, money: float, limit: float | None, equity: float, found: list[Breach]) -> None:
    if limit is None:
        return
    share = money / equity
    if not share <= limit:
        found.append(Breach(name, limit, share, f"the {name.replace('_', ' ')} must be at most {fraction_pct(limit)} "
                            f"of the equity, it was {fraction_pct(share)}"))  # fmt: skip


def _bad(words: str) -> Judgement:
    return Judgement((Breach("bad_order", 0.0, math.nan, words),), math.nan)
