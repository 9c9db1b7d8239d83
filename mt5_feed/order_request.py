"""From an order intent to the request that the terminal takes.

An order that closes is held against what the account shows just before it leaves: somebody may have closed the
position by hand a moment ago, and on a netting account the order would then open the opposite one. Where less is there
than it was to close, it closes what is there; where nothing is, it is not sent. So too with an order that turns a
position: it closes what is left and opens nothing, since it was reckoned for an account that is not there; the
strategy, once told, asks anew. What changes between this look and the broker is not seen; an order that closes all of
it names the position, and the server then refuses it when that is gone.
"""

from typing import Any

from kernel_lib.errors import BadData
from kernel_lib.wire import OrderIntent
from mt5_feed.terminal import Terminal

__all__ = ["build_request", "choose_filling"]

# ``symbol_info.filling_mode`` is a mask, ``type_filling`` an enumeration: assigning one to the other is the usual bug.
_MASK_FOK, _MASK_IOC = 1, 2
_LOTS_DIGITS, _LEAST = 8, 1e-8


def build_request(terminal: Terminal, intent: OrderIntent) -> dict[str, Any]:
    """Build a market deal; plain int, float and str only, as the module demands.

    Raises
    ------
    BadData
        The terminal does not know the symbol, or has no quote of it yet; or the order was to close, and nothing is
        there or the terminal does not show what is.
    """
    info = terminal.symbol_info(intent.symbol)
    if info is None or not terminal.symbol_select(intent.symbol, True):
        code, text = terminal.last_error()
        raise BadData(f"the symbol must be known to the terminal, {intent.symbol!r} is not: {code} {text}")
    tick = terminal.symbol_info_tick(intent.symbol)
    price = 0.0 if tick is None else float(tick.ask if intent.side > 0 else tick.bid)
    if price <= 0:
        raise BadData(f"{intent.symbol} must have a quote before an order is sent, it has none yet")
    lots, ticket = _closing(terminal, intent)
    request: dict[str, Any] = {
        "action": terminal.TRADE_ACTION_DEAL,
        "symbol": intent.symbol,
        "volume": lots,
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
    if ticket:
        request["position"] = ticket
    return request


def _closing(terminal: Terminal, intent: OrderIntent) -> tuple[float, int]:
    """Give the lots to send, no more than may be closed, and the ticket of the position that the order closes."""
    lots = float(intent.lots)
    if intent.position:
        # What closes a position is its ticket, which the broker may change; we know it by its identifier.
        for held in terminal.positions_get() or ():
            if held.identifier == intent.position:
                return min(lots, float(held.volume)), int(held.ticket)
        return lots, int(intent.position)  # the server refuses a ticket that is not there
    if intent.closes <= 0:
        return lots, 0
    rows = terminal.positions_get(symbol=intent.symbol)
    if rows is None:
        code, text = terminal.last_error()
        raise BadData(f"the terminal must show its positions before an order that closes is sent: {code} {text}")
    against = [held for held in rows if (held.type == terminal.ORDER_TYPE_BUY) != (intent.side > 0)]
    there = round(sum(float(held.volume) for held in against), _LOTS_DIGITS)
    if not there:
        side = "short" if intent.side > 0 else "long"
        raise BadData(f"nothing to close: the account holds no {side} position of {intent.symbol}; it was never sent")
    if there + _LEAST < intent.closes:
        lots = there
    return lots, int(against[0].ticket) if len(against) == 1 and abs(lots - there) < _LEAST else 0


def choose_filling(terminal: Terminal, info: Any) -> int:
    """Market execution: IOC if the symbol allows it, else FOK; exchange: RETURN; request and instant: FOK."""
    if info.trade_exemode == terminal.SYMBOL_TRADE_EXECUTION_EXCHANGE:
        return terminal.ORDER_FILLING_RETURN
    if info.trade_exemode == terminal.SYMBOL_TRADE_EXECUTION_MARKET and int(info.filling_mode) & _MASK_IOC:
        return terminal.ORDER_FILLING_IOC
    return terminal.ORDER_FILLING_FOK
