"""From an order intent to the request that the terminal takes."""

from typing import Any

from kernel_lib.errors import BadData
from kernel_lib.wire import OrderIntent
from mt5_feed.terminal import Terminal

__all__ = ["build_request", "choose_filling"]

# ``symbol_info.filling_mode`` is a mask, ``type_filling`` an enumeration: assigning one to the other is the usual bug.
_MASK_FOK, _MASK_IOC = 1, 2


def build_request(terminal: Terminal, intent: OrderIntent) -> dict[str, Any]:
    """Build a market deal; plain int, float and str only, as the module demands.

    Raises
    ------
    BadData
        The terminal does not know the symbol, or has no quote of it yet.
    """
    info = terminal.symbol_info(intent.symbol)
    if info is None or not terminal.symbol_select(intent.symbol, True):
        code, text = terminal.last_error()
        raise BadData(f"the symbol must be known to the terminal, {intent.symbol!r} is not: {code} {text}")
    tick = terminal.symbol_info_tick(intent.symbol)
    price = 0.0 if tick is None else float(tick.ask if intent.side > 0 else tick.bid)
    if price <= 0:
        raise BadData(f"{intent.symbol} must have a quote before an order is sent, it has none yet")
    request: dict[str, Any] = {
        "action": terminal.TRADE_ACTION_DEAL,
        "symbol": intent.symbol,
        "volume": float(intent.lots),
        "type": terminal.ORDER_TYPE_BUY if intent.side > 0 else terminal.ORDER_TYPE_SELL,
        "price": price,
        "sl": round(float(intent.stop_loss), int(info.digits)),
        "tp": round(float(intent.take_profit), int(info.digits)),
        "deviation": int(intent.deviation_points),
        "magic": int(intent.magic),
        "comment": intent.key,
        "type_time": terminal.ORDER_TIME_GTC,
        "type_filling": choose_filling(terminal, info),
    }
    if intent.position:
        request["position"] = _ticket_of(terminal, intent.position)
    return request


def _ticket_of(terminal: Terminal, identifier: int) -> int:
    """What closes a position is its ticket, which the broker may change; we know it by its identifier."""
    for held in terminal.positions_get() or ():
        if held.identifier == identifier:
            return int(held.ticket)
    return int(identifier)


def choose_filling(terminal: Terminal, info: Any) -> int:
    """Market execution: IOC if the symbol allows it, else FOK; exchange: RETURN; request and instant: FOK."""
    if info.trade_exemode == terminal.SYMBOL_TRADE_EXECUTION_EXCHANGE:
        return terminal.ORDER_FILLING_RETURN
    if info.trade_exemode == terminal.SYMBOL_TRADE_EXECUTION_MARKET and int(info.filling_mode) & _MASK_IOC:
        return terminal.ORDER_FILLING_IOC
    return terminal.ORDER_FILLING_FOK
