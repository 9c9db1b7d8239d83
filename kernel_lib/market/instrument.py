"""What is traded: the contract data that prices, lots and money are computed from."""

import math

import msgspec

from kernel_lib.errors import BadData

__all__ = ["EURUSD", "Instrument", "instrument"]


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One symbol's contract, as the broker states it.

    Parameters
    ----------
    symbol : str
        The broker's name, ``"EURUSD"``.
    digits : int
        Digits after the decimal point of a quote.
    point : float
        Smallest step of the quote, ``10 ** -digits``.
    tick_size : float
        Prices of orders are multiples of it; not always the point.
    contract_size : float
        Units of the base per lot.
    lot_step, min_lots, max_lots : float
        Order sizes are multiples of ``lot_step`` within these.
    currency_base, currency_profit : str
        ``"EUR"`` and ``"USD"`` for EURUSD.
    swap_long_points, swap_short_points : float
        Points per lot and night, negative when the holder pays.
    stops_level_points : int
        Least distance of a stop from the price; 0 means none is stated.
    """

    symbol: str
    digits: int
    point: float
    tick_size: float
    contract_size: float
    lot_step: float = 0.01
    min_lots: float = 0.01
    max_lots: float = 100.0
    currency_base: str = ""
    currency_profit: str = ""
    swap_long_points: float = 0.0
    swap_short_points: float = 0.0
    stops_level_points: int = 0

    def __post_init__(self) -> None:
        if not self.symbol or len(self.symbol) > 32 or not self.symbol.isascii():
            raise BadData(f"a symbol must be 1 to 32 ASCII characters, it was {self.symbol[:40]!r}")
        for name in ("point", "tick_size", "contract_size", "lot_step", "min_lots", "max_lots"):
            number = getattr(self, name)
            if not (math.isfinite(number) and number > 0):
                raise BadData(f"{self.symbol}: {name} must be a positive finite number, it was {number!r}")
        if not 0 <= self.digits <= 8 or not math.isclose(self.point, 10.0**-self.digits, rel_tol=1e-9):
            raise BadData(f"{self.symbol}: point must be 10 ** -digits, it was {self.point!r}, digits {self.digits!r}")
        if self.min_lots > self.max_lots:
            raise BadData(f"{self.symbol}: min_lots {self.min_lots} must not exceed max_lots {self.max_lots}")

    @property
    def point_worth(self) -> float:
        """Profit currency per point and lot."""
        return self.point * self.contract_size


def _pair(symbol: str, digits: int, contract_size: float = 100_000.0, **fields: float) -> Instrument:
    point = 10.0**-digits
    return Instrument(
        symbol=symbol,
        digits=digits,
        point=point,
        tick_size=point,
        contract_size=contract_size,
        currency_base=symbol[:3],
        currency_profit=symbol[3:6],
        **fields,  # type: ignore[arg-type]
    )


# Typical retail contracts, for recorded data that comes without its broker's own contract list.
_KNOWN = {
    each.symbol: each
    for each in (
        _pair("EURUSD", 5, swap_long_points=-6.5, swap_short_points=1.8),
        _pair("GBPUSD", 5, swap_long_points=-3.2, swap_short_points=-1.9),
        _pair("AUDUSD", 5, swap_long_points=-2.4, swap_short_points=-0.7),
        _pair("NZDUSD", 5, swap_long_points=-1.6, swap_short_points=-1.4),
        _pair("USDCHF", 5, swap_long_points=3.9, swap_short_points=-8.1),
        _pair("USDCAD", 5, swap_long_points=-1.1, swap_short_points=-3.5),
        _pair("EURGBP", 5, swap_long_points=-4.4, swap_short_points=0.6),
        _pair("EURCHF", 5, swap_long_points=1.1, swap_short_points=-5.2),
        _pair("USDJPY", 3, swap_long_points=7.8, swap_short_points=-16.4),
        _pair("AUDJPY", 3, swap_long_points=4.0, swap_short_points=-10.5),
        _pair("XAUUSD", 3, contract_size=100.0, swap_long_points=-38.0, swap_short_points=18.0),
    )
}
EURUSD = _KNOWN["EURUSD"]


def instrument(symbol: str) -> Instrument:
    """Look up a typical retail contract by symbol.

    Raises
    ------
    BadData
        The symbol is not in the table; pass an :class:`Instrument` of your own.

    >>> instrument("EURUSD").digits
    5
    """
    try:
        return _KNOWN[symbol]
    except KeyError:
        known = ", ".join(sorted(_KNOWN))
        raise BadData(f"no contract data for symbol {symbol!r}; known are {known}; or pass an Instrument") from None
