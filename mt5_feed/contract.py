"""A symbol's contract from the terminal's ``symbol_info``, and in words what of it an ``Instrument`` cannot hold.

A book counts a night in points, three of them on Wednesday, profit by the contract's size and margin by the account's
leverage. What a terminal states in another way is converted where that is exact; otherwise it is left out and named,
never taken for what it is not. Numbers are those of the MetaTrader5 package; the formulas stand in the MQL5 reference,
symbol properties, at ``ENUM_SYMBOL_SWAP_MODE`` and ``ENUM_SYMBOL_CALC_MODE``.
"""

import math
from typing import Any

from kernel_lib.market.instrument import Instrument

__all__ = ["contract_of"]

_DISABLED, _POINTS, _SYMBOL_MONEY, _MARGIN_MONEY, _DEPOSIT_MONEY = range(5)
_SWAPS = {
    _SYMBOL_MONEY: "money in the symbol's base currency",
    _MARGIN_MONEY: "money in its margin currency",
    _DEPOSIT_MONEY: "money in the account's currency",
    5: "yearly interest on the price of the day",
    6: "yearly interest on the price of the opening",
    7: "reopening at the closing price moved by points",
    8: "reopening at the bid moved by points",
}
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_WEDNESDAY = 3

_FOREX, _FUTURES, _CFD_INDEX, _CFD_LEVERAGE, _EXCHANGE_FUTURES = 0, 1, 3, 4, 33
#: CFD, currencies without leverage, shares on an exchange and on MOEX: profit by the contract's size, no leverage.
_UNLEVERED = (2, 5, 32, 38)
_BY_SIZE = "books here count profit by the contract's size, which may be wrong: do not trade it"


def contract_of(info: Any, account_currency: str) -> tuple[Instrument, tuple[str, ...]]:
    """Read a contract, and say what of it is not carried.

    Parameters
    ----------
    info : SymbolInfo
        As the terminal gave it.
    account_currency : str
        Of the account it is logged in to.

    Returns
    -------
    contract : Instrument
        Swap 0 where the terminal's swap is neither in points nor in money of the profit currency.
    left_out : tuple of str
        One sentence for each thing that books will count otherwise than the broker.

    Raises
    ------
    BadData
        The terminal's numbers make no contract.
    """
    size, about_money = _money(info, account_currency)
    long_points, short_points, about_nights = _nights(info, size, account_currency)
    contract = Instrument(
        symbol=str(info.name), digits=int(info.digits), point=float(info.point), tick_size=float(info.trade_tick_size),
        contract_size=size, lot_step=float(info.volume_step), min_lots=float(info.volume_min),
        max_lots=float(info.volume_max), currency_base=str(info.currency_base),
        currency_profit=str(info.currency_profit), swap_long_points=long_points, swap_short_points=short_points,
        stops_level_points=int(info.trade_stops_level),
    )  # fmt: skip
    return contract, (*about_money, *about_nights)


def _money(info: Any, account_currency: str) -> tuple[float, list[str]]:
    """Units per lot that profit is counted by, and what is not carried of profit and margin."""
    size, mode = float(info.trade_contract_size), int(info.trade_calc_mode)
    base, quoted, margined = str(info.currency_base), str(info.currency_profit), str(info.currency_margin)
    if (mode == _FOREX and base not in ("", quoted) and margined == base) or (
        mode == _CFD_LEVERAGE and margined == quoted
    ):
        return size, []
    here = "books here take it of the contract's size by the account's leverage"
    if mode in _UNLEVERED:
        too_little = f"margin is of the whole worth, without leverage (trade_calc_mode {mode}); {here}, so too little"
        return size, [f"{too_little}: give AccountConfig(leverage=1.0)"]
    if mode in (_FOREX, _CFD_LEVERAGE, _CFD_INDEX):
        return size, [f"margin is in {margined or 'no currency'} by trade_calc_mode {mode}; {here}"]
    if mode in (_FUTURES, _EXCHANGE_FUTURES):
        told = [f"margin is a fixed amount per lot (trade_calc_mode {mode}); {here}"]
        # Profit is the move times tick value over tick size; the value comes in the account's currency.
        tick_value, tick_size = float(info.trade_tick_value), float(info.trade_tick_size)
        if quoted == account_currency and tick_value > 0.0 and tick_size > 0.0:
            return tick_value / tick_size, told
        return size, [*told, f"profit is by the tick's value, which is not known in {quoted}; {_BY_SIZE}"]
    return size, [f"profit and margin have a rule of their own (trade_calc_mode {mode}); {_BY_SIZE}, and {here}"]


def _nights(info: Any, size: float, account_currency: str) -> tuple[float, float, list[str]]:
    """Swap in points per lot and night, long and short, and what is not carried of it."""
    mode, long_swap, short_swap = int(info.swap_mode), float(info.swap_long), float(info.swap_short)
    if mode == _DISABLED or (long_swap == 0.0 and short_swap == 0.0):
        return 0.0, 0.0, []
    quoted = str(info.currency_profit)
    paid_in = {
        _SYMBOL_MONEY: str(info.currency_base), _MARGIN_MONEY: str(info.currency_margin),
        _DEPOSIT_MONEY: account_currency,
    }.get(mode)  # fmt: skip
    worth = 1.0
    if mode != _POINTS:
        worth = float(info.point) * size
        if not paid_in or paid_in != quoted or not (math.isfinite(worth) and worth > 0.0):
            kind = _SWAPS.get(mode, "a mode that the package does not name")
            stated = f"swap_mode {mode}: long {long_swap:g}, short {short_swap:g}"
            return 0.0, 0.0, [f"swap is {kind} ({stated}), no fixed number of points; nights are not charged"]
    day = int(info.swap_rollover3days)
    told = []
    if day != _WEDNESDAY:
        named = _DAYS[day] if 0 <= day < len(_DAYS) else str(day)
        told = [f"the triple swap is on {named} (swap_rollover3days {day}); books here charge it on Wednesday"]
    return long_swap / worth, short_swap / worth, told
