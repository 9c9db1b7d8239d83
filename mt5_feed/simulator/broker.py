"""The simulated broker: checks requests as a trade server does, fills them at the market, closes by stops."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kernel_lib.importers.server_clock import server_clock
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import Ticks
from mt5_feed.simulator.account import Book, Deal, Order, Position, Quote
from mt5_feed.simulator.config import SimulatorConfig
from mt5_feed.simulator.constants import Constants, ErrorCode, Retcode
from mt5_feed.simulator.faults import Fault, FaultScript
from mt5_feed.simulator.market import Market
from mt5_feed.terminal import OrderSendResult, TradeRequest

__all__ = ["Broker"]

_DAY_NS = 86_400_000_000_000
_SUCCESS = (ErrorCode.OK, "Success")
_WHOLE = (
    "action",
    "magic",
    "order",
    "deviation",
    "type",
    "type_filling",
    "type_time",
    "position",
    "position_by",
    "expiration",
)
_REAL = ("volume", "price", "stoplimit", "sl", "tp")
_TEXT = ("symbol", "comment")
_COMMENT_LENGTH = 31
_STOP_OUT_PCT = 50.0

Answer = tuple[OrderSendResult | None, tuple[int, str]]


class Broker:
    """Executes requests against the market and books them."""

    def __init__(self, market: Market, book: Book, config: SimulatorConfig, faults: FaultScript) -> None:
        self._market = market
        self._book = book
        self._config = config
        self._faults = faults
        self._request_id = 0
        self.connected = True
        self._later: list[tuple[int, Callable[[], object]]] = []
        self._hidden: set[int] = set()

    def look(self) -> None:
        """Somebody looks at the account's deals: what was to come after so many looks comes."""
        due = [do for looks, do in self._later if looks <= 1]
        self._later = [(looks - 1, do) for looks, do in self._later if looks > 1]
        for do in due:
            do()

    def shows(self, deal: Deal) -> bool:
        """Whether a deal is seen already."""
        return deal.ticket not in self._hidden

    def shows_position(self, held: Position) -> bool:
        """Whether a position is seen already: the deal that opened it is."""
        opened = next((each for each in self._book.state.deals if each.position_id == held.identifier), None)
        return opened is None or self.shows(opened)

    def send(self, request: Mapping[str, Any], selected: set[str]) -> Answer:
        """Answer one ``order_send``: a result, or None with the error."""
        wrong = _wrong_field(request)
        if wrong:
            return None, (ErrorCode.INVALID_PARAMS, f'Invalid "{wrong}" argument')
        self._request_id += 1
        fault = self._faults.next()
        lost = (None, (ErrorCode.IPC_RECV, "IPC recv failed"))
        if fault is not None and fault.kind == "lose_request":
            return lost
        if fault is not None and fault.kind == "retcode":
            return self._result(request, fault.retcode, "by the fault script"), _SUCCESS
        answer = self._execute(request, selected, fault)
        if fault is not None and fault.kind == "lose_reply":
            return lost
        if fault is not None and fault.kind == "misanswer":
            return self._result(request, fault.retcode, "by the fault script"), _SUCCESS
        return answer, _SUCCESS

    def check_stops(self, symbol: str, ticks: Ticks) -> None:
        """Close what its stop-loss or take-profit asks for within these ticks, earliest first, at the tick's price."""
        start = 0
        while start < len(ticks):
            found: tuple[int, Position, bool] | None = None
            for held in self._book.state.positions:
                if held.symbol == symbol and (held.stop_loss or held.take_profit):
                    hit = _first_hit(held, ticks[start:])
                    if hit is not None and (found is None or start + hit[0] < found[0]):
                        found = (start + hit[0], held, hit[1])
            if found is None:
                break
            at, held, by_stop = found
            tick = ticks[at]
            price = float(tick["bid"] if held.side > 0 else tick["ask"])
            digits = self._book.contracts[symbol].digits
            level = held.stop_loss if by_stop else held.take_profit
            self._book.fill(
                symbol, -held.side, held.lots, price, int(tick["time_ns"]), magic=held.magic, closes=held,
                comment=f"[{'sl' if by_stop else 'tp'} {level:.{digits}f}]",
                reason=Constants.DEAL_REASON_SL if by_stop else Constants.DEAL_REASON_TP,
            )  # fmt: skip
            start = at
        self._stop_out()

    def closing_price(self, held: Position) -> float:
        quote = self._quote(held.symbol)
        if quote is None:
            return held.price
        return quote.bid if held.side > 0 else quote.ask

    def equity_and_margin(self) -> tuple[float, float]:
        positions = self._book.state.positions
        open_profit = sum(self._book.profit_of(each, self.closing_price(each), each.lots) for each in positions)
        margin = sum(self._book.margin_of(each.symbol, each.lots, each.price) for each in positions)
        return round(self._book.state.balance + open_profit, 2), round(margin, 2)

    def _execute(self, request: Mapping[str, Any], selected: set[str], fault: Fault | None) -> OrderSendResult:
        if not self.connected:
            return self._result(request, Retcode.CONNECTION, "No connection")
        if not self._config.trade_allowed:
            return self._result(request, Retcode.CLIENT_DISABLES_AT, "AutoTrading disabled by client")
        symbol = request.get("symbol", "")
        contract = self._book.contracts.get(symbol)
        action = request.get("action")
        if action == Constants.TRADE_ACTION_CLOSE_BY:
            return self._close_by(request)
        if contract is None or action not in (Constants.TRADE_ACTION_DEAL, Constants.TRADE_ACTION_SLTP):
            return self._result(request, Retcode.INVALID, "Invalid request")
        quote = self._quote(symbol)
        if quote is None or symbol not in selected:
            return self._result(request, Retcode.PRICE_OFF, "No prices")
        if action == Constants.TRADE_ACTION_SLTP:
            return self._change_stops(request, contract, quote)
        return self._deal(request, contract, quote, fault)

    def _deal(
        self, request: Mapping[str, Any], contract: Instrument, quote: Quote, fault: Fault | None
    ) -> OrderSendResult:
        kind = request.get("type")
        if kind not in (Constants.ORDER_TYPE_BUY, Constants.ORDER_TYPE_SELL):
            return self._result(request, Retcode.INVALID, "Invalid request")
        lots = float(request.get("volume", 0.0))
        if not _is_lots(lots, contract):
            return self._result(request, Retcode.INVALID_VOLUME, "Invalid volume")
        if not _filling_allowed(int(request.get("type_filling", 0)), self._config.filling_mask):
            return self._result(request, Retcode.INVALID_FILL, "Unsupported filling mode")
        if self._is_weekend():
            return self._result(request, Retcode.MARKET_CLOSED, "Market closed")
        side = 1 if kind == Constants.ORDER_TYPE_BUY else -1
        price = quote.ask if side > 0 else quote.bid
        asked = float(request.get("price", 0.0))
        if asked < 0:
            return self._result(request, Retcode.INVALID_PRICE, "Invalid price")
        if self._config.instant and abs(asked - price) > int(request.get("deviation", 0)) * contract.point + 1e-12:
            return self._result(request, Retcode.REQUOTE, "Requote")
        closes = None
        if request.get("position"):
            closes = self._book.position_by_ticket(int(request["position"]))
            if closes is None:
                return self._result(request, Retcode.POSITION_CLOSED, "Position doesn't exist")
            if closes.side == side or closes.symbol != contract.symbol:
                return self._result(request, Retcode.INVALID, "Invalid request")
            if self._config.hedging and lots > closes.lots + 1e-9:
                return self._result(request, Retcode.INVALID_CLOSE_VOLUME, "Invalid close volume")
        stop_loss, take_profit = float(request.get("sl", 0.0)), float(request.get("tp", 0.0))
        if not _stops_are_sane(side, stop_loss, take_profit, quote, contract):
            return self._result(request, Retcode.INVALID_STOPS, "Invalid stops")
        if not self._is_paid(contract.symbol, side, lots, price, closes):
            return self._result(request, Retcode.NO_MONEY, "No money")
        comment = str(request.get("comment", ""))[:_COMMENT_LENGTH]
        if fault is not None and fault.comment != "=":
            comment = fault.comment
        order = self._book.place(
            contract.symbol, side, lots, self._market.now_ns, magic=int(request.get("magic", 0)), comment=comment,
            reason=Constants.DEAL_REASON_EXPERT,
        )  # fmt: skip

        def fill(part: float) -> Deal:
            now = self._quote(contract.symbol) or quote
            return self._book.fill(
                contract.symbol, side, round(part, 8), now.ask if side > 0 else now.bid, self._market.now_ns,
                magic=order.magic, comment=comment, reason=order.reason, closes=closes, stop_loss=stop_loss,
                take_profit=take_profit, of=order,
            )  # fmt: skip

        kind = fault.kind if fault is not None else ""
        looks = fault.looks if fault is not None else 0
        half = max(contract.min_lots, round(lots / 2 / contract.lot_step) * contract.lot_step)
        if kind == "place":
            self._book.save()
            self._later.append((looks, lambda: fill(lots)))
            return self._result(request, Retcode.PLACED, "Order placed", order=order)
        if kind == "place_reject":
            self._book.save()
            self._later.append((looks, lambda: self._book.end(order, rejected=True)))
            return self._result(request, Retcode.PLACED, "Order placed", order=order)
        if kind == "partial":
            deal = fill(half)
            self._book.end(order)
            return self._result(request, Retcode.DONE_PARTIAL, "Request executed", deal=deal, quote=quote, order=order)
        if kind == "in_parts":
            deal = fill(half)
            self._later.append((looks, lambda: fill(lots - half)))
            return self._result(request, Retcode.DONE, "Request executed", deal=deal, quote=quote, order=order)
        deal = fill(lots)
        if kind == "hide":
            self._hidden.add(deal.ticket)
            self._later.append((looks, lambda: self._hidden.discard(deal.ticket)))
        return self._result(request, Retcode.DONE, "Request executed", deal=deal, quote=quote, order=order)

    def _close_by(self, request: Mapping[str, Any]) -> OrderSendResult:
        held = self._book.position_by_ticket(int(request.get("position", 0)))
        other = self._book.position_by_ticket(int(request.get("position_by", 0)))
        if held is None or other is None:
            return self._result(request, Retcode.POSITION_CLOSED, "Position doesn't exist")
        if not self._config.hedging or held.symbol != other.symbol or held.side == other.side:
            return self._result(request, Retcode.INVALID, "Invalid request")
        order = self._book.close_by(held, other, self._market.now_ns)
        return self._result(request, Retcode.DONE, "Request executed", order=order)

    def _change_stops(self, request: Mapping[str, Any], contract: Instrument, quote: Quote) -> OrderSendResult:
        ticket = int(request.get("position", 0))
        held = self._book.position_by_ticket(ticket) if ticket else self._book.position_of(contract.symbol)
        if held is None:
            return self._result(request, Retcode.POSITION_CLOSED, "Position doesn't exist")
        stop_loss, take_profit = float(request.get("sl", 0.0)), float(request.get("tp", 0.0))
        if (stop_loss, take_profit) == (held.stop_loss, held.take_profit):
            return self._result(request, Retcode.NO_CHANGES, "No changes")
        if not _stops_are_sane(held.side, stop_loss, take_profit, quote, contract):
            return self._result(request, Retcode.INVALID_STOPS, "Invalid stops")
        held.stop_loss, held.take_profit = stop_loss, take_profit
        self._book.save()
        return self._result(request, Retcode.DONE, "Request executed", quote=quote)

    def _is_paid(self, symbol: str, side: int, lots: float, price: float, closes: Position | None) -> bool:
        held = closes or (None if self._config.hedging else self._book.position_of(symbol))
        added = lots if held is None or held.side == side else max(0.0, lots - 2 * held.lots)
        equity, margin = self.equity_and_margin()
        return added <= 0 or self._book.margin_of(symbol, added, price) <= equity - margin

    def _stop_out(self) -> None:
        while self._book.state.positions:
            equity, margin = self.equity_and_margin()
            if not margin or equity / margin * 100 >= _STOP_OUT_PCT:
                return
            positions = self._book.state.positions
            worst = min(positions, key=lambda each: self._book.profit_of(each, self.closing_price(each), each.lots))
            self._book.fill(
                worst.symbol, -worst.side, worst.lots, self.closing_price(worst), self._market.now_ns, closes=worst,
                magic=worst.magic, comment=f"[so {equity / margin * 100:.2f}%]", reason=Constants.DEAL_REASON_SO,
            )  # fmt: skip

    def _quote(self, symbol: str) -> Quote | None:
        last = self._market.last(symbol)
        return None if last is None else Quote(int(last["time_ns"]), float(last["bid"]), float(last["ask"]))

    def _is_weekend(self) -> bool:
        server_ns = server_clock(self._config.server_zone).wall(self._market.now_ns)
        return (server_ns // _DAY_NS + 4) % 7 in (0, 6)  # 1970-01-01 was a Thursday

    def _result(
        self, request: Mapping[str, Any], code: int, comment: str, deal: Deal | None = None, quote: Quote | None = None,
        order: Order | None = None,
    ) -> OrderSendResult:  # fmt: skip
        fields = {name: request.get(name, "" if name in _TEXT else 0) for name in TradeRequest._fields}
        return OrderSendResult(
            code, deal.ticket if deal else 0, order.ticket if order else 0, deal.lots if deal else 0.0,
            deal.price if deal else 0.0, quote.bid if quote else 0.0, quote.ask if quote else 0.0, comment,
            self._request_id, 0, TradeRequest(**fields),
        )  # fmt: skip


def _first_hit(held: Position, ticks: Ticks) -> tuple[int, bool] | None:
    """Index of the first tick that hits a level, and whether it is the stop-loss (which goes first)."""
    side = held.side
    price = ticks["bid"] if side > 0 else ticks["ask"]
    stop = (price - held.stop_loss) * side <= 0 if held.stop_loss else np.zeros(len(ticks), dtype=np.bool_)
    take = (price - held.take_profit) * side >= 0 if held.take_profit else np.zeros(len(ticks), dtype=np.bool_)
    hit = stop | take
    if not hit.any():
        return None
    at = int(hit.argmax())
    return at, bool(stop[at])


def _wrong_field(request: Mapping[str, Any]) -> str:
    for name, given in request.items():
        if name in _WHOLE:
            fits = type(given) is int
        elif name in _REAL:
            fits = type(given) in (int, float) and np.isfinite(given)
        else:
            fits = name in _TEXT and type(given) is str
        if not fits:
            return name
    return ""


def _is_lots(lots: float, contract: Instrument) -> bool:
    steps = lots / contract.lot_step
    return contract.min_lots - 1e-9 <= lots <= contract.max_lots + 1e-9 and abs(steps - round(steps)) < 1e-6


def _filling_allowed(filling: int, mask: int) -> bool:
    return (filling == Constants.ORDER_FILLING_FOK and bool(mask & 1)) or (
        filling == Constants.ORDER_FILLING_IOC and bool(mask & 2)
    )


def _stops_are_sane(side: int, stop_loss: float, take_profit: float, quote: Quote, contract: Instrument) -> bool:
    price = quote.bid if side > 0 else quote.ask
    least = contract.stops_level_points * contract.point - 1e-12
    good_stop = not stop_loss or (price - stop_loss) * side > max(least, 0.0)
    good_take = not take_profit or (take_profit - price) * side > max(least, 0.0)
    return good_stop and good_take and stop_loss >= 0 and take_profit >= 0
