"""What a set of positions is exposed to: money by currency, metal and instrument, and how concentrated it is.

A position in EURUSD is long euros and short dollars at once, so three long pairs against the dollar are one bet. Each
position is split into its legs (base against profit currency; an ounce of gold counts as the currency ``XAU``), the
legs are added up by currency, and valued in the account's currency.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kernel_lib.declared import declared
from kernel_lib.errors import BadData
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.instrument import instrument as known
from kernel_lib.risk.series import complete, number
from kernel_lib.risk.shown import Shown, Table, fraction_pct, money

__all__ = ["Exposure", "concentration", "currency_rates", "exposure", "instrument_exposures"]


class Exposure(Shown, frozen=True, kw_only=True):
    """Exposure of an account, in its currency; long positive, short negative.

    Parameters
    ----------
    currency : str
        The account's.
    by_symbol : dict of str to float
        Money in each instrument: lots times contract size times price.
    by_currency : dict of str to float
        Net money in each currency but the account's own (which carries no price risk).
    gross, net : float
        Sum of sizes, and sum, of ``by_symbol``.
    leverage : float
        Gross over equity; NaN without an equity.
    concentration : float
        Herfindahl index over ``by_currency``: 1 is all in one, ``1/n`` evenly in n; 0 without positions.
    """

    currency: str
    by_symbol: dict[str, float]
    by_currency: dict[str, float]
    gross: float
    net: float
    leverage: float
    concentration: float

    @property
    def largest(self) -> tuple[str, float] | None:
        """The currency with the largest exposure and that exposure; None without positions."""
        return max(self.by_currency.items(), key=lambda item: abs(item[1]), default=None)

    def _table(self) -> Table:
        total = sum(map(abs, self.by_currency.values())) or 1.0
        rows = [
            [name, money(amount, self.currency), fraction_pct(abs(amount) / total)]
            for name, amount in sorted(self.by_currency.items(), key=lambda item: -abs(item[1]))
        ]
        rows += [["gross", money(self.gross, self.currency), f"leverage {self.leverage:.2f}"]]
        return ("Exposure by currency", ("currency", "net", "share"), rows)

    def plot(self) -> Any:
        """Draw the exposure by currency; give the matplotlib Figure."""
        from matplotlib.figure import Figure

        names = sorted(self.by_currency, key=lambda name: self.by_currency[name])
        amounts = [self.by_currency[name] for name in names]
        figure = Figure(figsize=(7, 1 + 0.3 * len(names)), layout="constrained")
        axes = figure.subplots()
        axes.barh(names, amounts, color=["tab:green" if each > 0 else "tab:red" for each in amounts])
        axes.axvline(0.0, color="black", lw=0.6)
        axes.set_xlabel(f"net exposure, {self.currency}")
        return figure


@declared
def exposure(
    lots: Mapping[str, float],
    prices: Mapping[str, float],
    *,
    currency: str = "USD",
    equity: float | None = None,
    instruments: Mapping[str, Instrument] | None = None,
    rates: Mapping[str, float] | None = None,
) -> Exposure:
    """Break positions down to currencies.

    Parameters
    ----------
    lots : mapping of str to float
        Net lots by symbol, short negative.
    prices : mapping of str to float
        Mid price of every symbol held; other symbols in it help to find rates.
    currency : str
        The account's.
    equity : float or None
        For the leverage.
    instruments : mapping of str to Instrument or None
        Contracts; None looks symbols up in the table of typical ones.
    rates : mapping of str to float or None
        Worth of one unit of a currency in the account's; what is missing is derived from ``prices``.

    Raises
    ------
    BadData
        A price or rate is missing or not positive, lots are no number, an instrument does not name its currencies.

    >>> held = exposure({"EURUSD": 1.0, "GBPUSD": -0.5}, {"EURUSD": 1.10, "GBPUSD": 1.30})
    >>> {name: round(amount) for name, amount in held.by_currency.items()}
    {'EUR': 110000, 'GBP': -65000}
    """
    contracts = _contracts({*lots, *prices}, lots, instruments)
    worth = currency_rates(prices, currency, contracts, rates)
    by_symbol: dict[str, float] = {}
    by_currency: dict[str, float] = {}
    for symbol, size in lots.items():
        if not np.isfinite(number(size, f"lots of {symbol}")):
            raise BadData(f"lots of {symbol} must be a finite number, they were {size!r}")
        contract = contracts[symbol]
        units = size * contract.contract_size
        price = _price(symbol, prices)
        by_symbol[symbol] = units * price * _rate(contract.currency_profit, worth, currency)
        for leg, amount in ((contract.currency_base, units), (contract.currency_profit, -units * price)):
            if leg != currency:
                by_currency[leg] = by_currency.get(leg, 0.0) + amount * _rate(leg, worth, currency)
    sizes = np.array(list(by_symbol.values()), dtype=np.float64)
    gross = float(np.abs(sizes).sum())
    if equity is not None and not 0.0 < number(equity, "equity") < np.inf:
        raise BadData(f"equity must be above 0, it was {equity!r}")
    return Exposure(
        currency=currency, by_symbol=by_symbol, by_currency=by_currency, gross=gross, net=float(sizes.sum()),
        leverage=gross / equity if equity is not None else float("nan"),
        concentration=concentration(list(by_currency.values())),
    )  # fmt: skip


@declared
def instrument_exposures(
    lots: Mapping[str, float], prices: Mapping[str, float], names: tuple[str, ...], **settings: Any
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give the money in each of ``names``, in their order and 0 where nothing is held: what value at risk takes.

    >>> instrument_exposures({"EURUSD": 0.1}, {"EURUSD": 1.1}, ("GBPUSD", "EURUSD")).round(2).tolist()
    [0.0, 11000.0]
    """
    held = exposure(lots, prices, **settings).by_symbol
    left = sorted(set(held) - set(names))
    if left:
        raise BadData(f"every position needs a column of returns, there is none for {', '.join(left)}")
    return np.array([held.get(name, 0.0) for name in names], dtype=np.float64)


@declared
def concentration(amounts: Any) -> float:
    """Give the Herfindahl index of the sizes: the sum of squared shares, 0 for nothing at all.

    >>> concentration([100.0, -100.0])
    0.5
    """
    sizes = np.abs(complete(amounts, "amounts", 0))
    total = float(sizes.sum())
    return float(np.sum((sizes / total) ** 2)) if total > 0.0 else 0.0


@declared
def currency_rates(
    prices: Mapping[str, float],
    currency: str,
    instruments: Mapping[str, Instrument],
    rates: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Derive what one unit of each currency is worth in another, through as few quotes as possible.

    A chain of crosses is used where there is no direct pair: yen into dollars through AUDJPY and AUDUSD.

    >>> from kernel_lib.market.instrument import instrument
    >>> quotes = {"AUDJPY": 90.0, "AUDUSD": 0.72}
    >>> found = currency_rates(quotes, "USD", {each: instrument(each) for each in quotes})
    >>> round(found["JPY"], 6)
    0.008
    """
    worth = {currency: 1.0}
    for name, rate in (rates or {}).items():
        if not 0.0 < number(rate, f"the rate of {name}") < np.inf:
            raise BadData(f"the rate of {name} must be above 0, it was {rate!r}")
        worth[name] = float(rate)
    pairs = [
        (contract.currency_base, contract.currency_profit, _price(symbol, prices))
        for symbol, contract in sorted(instruments.items())
        if symbol in prices and contract.currency_base and contract.currency_profit
    ]
    for _ in pairs:
        found: dict[str, float] = {}
        for base, profit, price in pairs:
            if base in worth and profit not in worth:
                found.setdefault(profit, worth[base] / price)
            if profit in worth and base not in worth:
                found.setdefault(base, worth[profit] * price)
        if not found:
            break
        worth.update(found)
    return worth


def _contracts(
    symbols: set[str], held: Mapping[str, float], instruments: Mapping[str, Instrument] | None
) -> dict[str, Instrument]:
    contracts = {}
    for symbol in sorted(symbols):
        if instruments is not None and symbol in instruments:
            contracts[symbol] = instruments[symbol]
        elif symbol in held or instruments is None:
            contracts[symbol] = known(symbol)
    for symbol in held:
        contract = contracts[symbol]
        if not (contract.currency_base and contract.currency_profit):
            raise BadData(f"{symbol} must name its base and profit currency to be split, it has {contract!r}")
    return contracts


def _price(symbol: str, prices: Mapping[str, float]) -> float:
    price = prices.get(symbol)
    if price is None or not 0.0 < number(price, f"the price of {symbol}") < np.inf:
        raise BadData(f"{symbol} needs a price above 0, it was {price!r}")
    return float(price)


def _rate(name: str, worth: Mapping[str, float], currency: str) -> float:
    if name not in worth:
        raise BadData(f"there is no quote between {name} and {currency}: give rates={{'{name}': ...}}")
    return worth[name]
