"""What to trade so that positions come back to their weights, where it is worth its costs; in words."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known
from kernel_lib.risk.exposure import currency_rates
from kernel_lib.risk.shown import fraction_pct, money, rows_html
from kernel_lib.risk.sizing import round_lots

__all__ = ["Advice", "Rebalancing", "rebalance"]


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with one instrument.

    Parameters
    ----------
    symbol : str
    lots : float
        To trade, bought positive; 0: leave it.
    current_weight, target_weight : float
        Shares of the equity, short negative.
    cost : float
        Of the trade, in account currency.
    words : str
        The same for a person, with the reason.
    """

    symbol: str
    lots: float
    current_weight: float
    target_weight: float
    cost: float
    words: str


class Rebalancing(msgspec.Struct, frozen=True, kw_only=True):
    """Advice for every instrument, the largest trade first."""

    advice: tuple[Advice, ...]
    currency: str

    @property
    def trades(self) -> dict[str, float]:
        """Lots to trade by symbol, without what is left alone."""
        return {each.symbol: each.lots for each in self.advice if each.lots != 0.0}

    @property
    def cost(self) -> float:
        """Of all trades."""
        return sum(each.cost for each in self.advice)

    def __str__(self) -> str:
        return "\n".join(each.words for each in self.advice)

    def _repr_html_(self) -> str:
        rows = [
            [each.symbol, fraction_pct(each.current_weight), fraction_pct(each.target_weight), f"{each.lots:+.2f}",
             money(each.cost, self.currency), each.words]
            for each in self.advice
        ]  # fmt: skip
        return rows_html(
            f"Rebalancing: {len(self.trades)} trades, cost {money(self.cost, self.currency)}",
            ("", "now", "target", "lots", "cost", ""), rows,
        )  # fmt: skip

    def plot(self) -> Any:
        """Draw weights now beside their targets; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        place = np.arange(len(self.advice))
        figure = Figure(figsize=(2 + 0.7 * len(place), 3.5), layout="constrained")
        axes = figure.subplots()
        axes.bar(place - 0.2, [100.0 * each.current_weight for each in self.advice], 0.4, label="now")
        axes.bar(place + 0.2, [100.0 * each.target_weight for each in self.advice], 0.4, label="target")
        axes.set_xticks(place, [each.symbol for each in self.advice], rotation=90)
        axes.set_ylabel("share of equity, %")
        axes.legend(frameon=False)
        return figure


@declared
def rebalance(
    lots: Mapping[str, float],
    weights: Mapping[str, float],
    prices: Mapping[str, float],
    equity: float,
    *,
    currency: str = "USD",
    instruments: Mapping[str, Instrument] | None = None,
    rates: Mapping[str, float] | None = None,
    cost_per_lot: float | Mapping[str, float] = 7.0,
    drift: float = 0.01,
    most_cost: float = 0.002,
) -> Rebalancing:
    """Advise the trades that bring positions to their target weights.

    Parameters
    ----------
    lots : mapping of str to float
        Held now, short negative.
    weights : mapping of str to float
        Target worth as a share of the equity (1.5 is leverage); a symbol that is held but not named is to be closed.
    prices : mapping of str to float
        Mid prices.
    equity : float
        Account currency.
    instruments, rates
        As :func:`~kernel_lib.risk.exposure.exposure`.
    cost_per_lot : float or mapping
        Of a trade: half the spread, commission and slippage, in account currency.
    drift : float
        Weights nearer to their target than this stay.
    most_cost : float
        A trade whose cost is a larger share of what it moves is left; closing a position always goes.

    Raises
    ------
    BadData
        A price or rate is missing, or a number is none.

    >>> found = rebalance({"EURUSD": 0.10}, {"EURUSD": 0.5, "GBPUSD": 0.5}, {"EURUSD": 1.1, "GBPUSD": 1.3}, 50_000.0)
    >>> found.trades
    {'GBPUSD': 0.19, 'EURUSD': 0.12}
    >>> print(found.advice[0].words)
    Buy 0.19 lots of GBPUSD: it is 0.00 % of the equity and should be 50.00 %; costs 1.33 USD.
    """
    for name, number in (("equity", equity), ("drift", drift), ("most_cost", most_cost)):
        if not np.isfinite(number) or number < 0.0 or (name == "equity" and number == 0.0):
            raise BadData(f"{name} must be a number above 0, it was {number!r}")
    symbols = sorted({*lots, *weights})
    contracts = {each: (instruments or {}).get(each) or known(each) for each in symbols}
    quoted = {**contracts, **{each: contract for each, contract in (instruments or {}).items() if each in prices}}
    worth = currency_rates(prices, currency, quoted, rates)
    advice = []
    for symbol in symbols:
        contract = contracts[symbol]
        price, rate = prices.get(symbol, np.nan), worth.get(contract.currency_profit, np.nan)
        lot_worth = price * rate * contract.contract_size
        if not (np.isfinite(lot_worth) and lot_worth > 0.0):
            raise BadData(f"{symbol} needs a price, and a quote between {contract.currency_profit} and {currency}")
        held, target = float(lots.get(symbol, 0.0)), float(weights.get(symbol, 0.0))
        if not (np.isfinite(held) and np.isfinite(target)):
            raise BadData(f"lots and weight of {symbol} must be finite numbers, they were {held!r} and {target!r}")
        each_cost = cost_per_lot if isinstance(cost_per_lot, int | float) else cost_per_lot.get(symbol, 0.0)
        advice.append(_advise(symbol, contract, held, target, lot_worth, equity, each_cost, drift, most_cost, currency))
    advice.sort(key=lambda each: (-abs(each.lots), each.symbol))
    return Rebalancing(advice=tuple(advice), currency=currency)


def _advise(
    symbol: str, contract: Instrument, held: float, target: float, lot_worth: float, equity: float,
    cost_per_lot: float, drift: float, most_cost: float, currency: str,
) -> Advice:  # fmt: skip
    now = held * lot_worth / equity
    closing = target == 0.0 and held != 0.0
    change = -held if closing else round_lots((target - now) * equity / lot_worth, contract)
    cost = abs(change) * cost_per_lot
    state = f"it is {fraction_pct(now)} of the equity and should be {fraction_pct(target)}"
    if closing:
        words = f"Close {abs(held):g} lots of {symbol}: {state}; costs {money(cost, currency)}."
    elif abs(target - now) < drift:
        change, words = 0.0, f"Leave {symbol}: {state}, which is near enough."
    elif change == 0.0:
        words = (
            f"Leave {symbol}: {state}, but the difference is below the smallest trade of {contract.min_lots:g} lots."
        )
    elif cost > most_cost * abs(change) * lot_worth:
        share = fraction_pct(cost / (abs(change) * lot_worth))
        change, words = 0.0, f"Leave {symbol}: {state}, but the trade would cost {share} of what it moves."
    else:
        verb = "Buy" if change > 0 else "Sell"
        words = f"{verb} {abs(change):g} lots of {symbol}: {state}; costs {money(cost, currency)}."
    return Advice(
        symbol=symbol, lots=change, current_weight=now, target_weight=target, cost=cost if change else 0.0, words=words
    )
