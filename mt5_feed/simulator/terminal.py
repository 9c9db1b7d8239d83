"""The simulated terminal: the surface of the MetaTrader5 module over a simulated market and a simulated broker."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.market.instrument import Instrument, instrument
from kernel_lib.market.tick import Ticks
from mt5_feed.server_time import utc_ns_to_server_ms
from mt5_feed.simulator.account import Book, Deal, Order, Position
from mt5_feed.simulator.broker import Broker
from mt5_feed.simulator.config import SimulatorConfig
from mt5_feed.simulator.constants import Constants, ErrorCode
from mt5_feed.simulator.faults import FaultScript
from mt5_feed.simulator.market import Market
from mt5_feed.terminal import (
    TICK_DTYPE,
    AccountInfo,
    OrderSendResult,
    SymbolInfo,
    TerminalInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
)

__all__ = ["SimulatedTerminal"]

_BID_ASK_FLAGS = 2 | 4


class SimulatedTerminal(Constants):
    """A terminal logged in to a simulated account.

    Parameters
    ----------
    ticks : mapping of str to Ticks
        UTC; times are cut to milliseconds.
    config : SimulatorConfig
        The account.
    state_path : Path, optional
        Where the account is kept, so that it outlives the process as a broker's does.
    monotonic_ns : callable
        The clock that speed is measured by.

    Attributes
    ----------
    connected : bool
        To the trade server; what the terminal has cached it goes on telling.
    silent : bool
        The pipe does not answer: every call fails until it does again.
    """

    def __init__(
        self,
        ticks: Mapping[str, Ticks],
        config: SimulatorConfig | None = None,
        *,
        contracts: Iterable[Instrument] = (),
        state_path: Path | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.config = config or SimulatorConfig()
        given = {each.symbol: each for each in contracts}
        self.contracts = {symbol: given.get(symbol) or instrument(symbol) for symbol in ticks}
        self.market = Market(ticks, self.config.speed, self.config.chunk, monotonic_ns)
        self.book = Book(
            self.contracts, self.config.balance, hedging=self.config.hedging, currency=self.config.currency,
            leverage=self.config.leverage, commission_per_lot=self.config.commission_per_lot,
            first_ticket=1000 + self.config.seed % 1000, path=state_path,
        )  # fmt: skip
        self.broker = Broker(self.market, self.book, self.config, FaultScript(self.config.faults))
        self.silent = False
        self._checked = dict.fromkeys(ticks, 0)
        self._selected: set[str] = set()
        self._initialised = False
        self._error = (ErrorCode.OK, "Success")

    @property
    def connected(self) -> bool:
        return self.broker.connected

    @connected.setter
    def connected(self, connected: bool) -> None:
        self.broker.connected = connected

    def die(self) -> None:
        """End the terminal's process: every call fails until somebody calls initialize."""
        self._initialised = False

    @property
    def finished(self) -> bool:
        """Whether the recording has ended: every tick has happened."""
        return self.market.finished

    def initialize(self, *args: Any, **options: Any) -> bool:
        if self.silent:
            self._error = (ErrorCode.IPC_TIMEOUT, "IPC timeout")
            return False
        self._initialised = True
        self._error = (ErrorCode.OK, "Success")
        return True

    def shutdown(self) -> None:
        self._initialised = False

    def last_error(self) -> tuple[int, str]:
        return self._error

    def terminal_info(self) -> Any:
        if not self._begin():
            return None
        known = {
            "connected": self.connected, "trade_allowed": self.config.trade_allowed, "build": 5000, "maxbars": 100_000,
            "ping_last": 1000, "company": "Tickhub", "name": "Simulated terminal", "language": "English",
        }  # fmt: skip
        return _make(TerminalInfo, known, texts=("company", "name", "language", "path", "data_path", "commondata_path"))

    def account_info(self) -> Any:
        if not self._begin():
            return None
        equity, margin = self.broker.equity_and_margin()
        balance = self.book.state.balance
        mode = (
            self.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING if self.config.hedging else self.ACCOUNT_MARGIN_MODE_RETAIL_NETTING
        )
        known = {
            "login": self.config.login, "leverage": self.config.leverage, "trade_allowed": True, "trade_expert": True,
            "margin_mode": mode, "currency_digits": 2, "balance": balance, "profit": round(equity - balance, 2),
            "equity": equity, "margin": margin, "margin_free": round(equity - margin, 2),
            "margin_level": round(equity / margin * 100, 2) if margin else 0.0, "margin_so_call": 100.0,
            "margin_so_so": 50.0, "name": "Simulated", "server": self.config.server, "currency": self.config.currency,
            "company": "Tickhub",
        }  # fmt: skip
        return _make(AccountInfo, known, texts=("name", "server", "currency", "company"))

    def symbol_select(self, symbol: str, enable: bool = True) -> bool:
        if not self._begin() or not self._is_known(symbol):
            return False
        if enable:
            self._selected.add(symbol)
        else:
            self._selected.discard(symbol)
        return True

    def symbol_info(self, symbol: str) -> Any:
        if not self._begin() or not self._is_known(symbol):
            return None
        contract = self.contracts[symbol]
        last = self.market.last(symbol)
        execution = self.SYMBOL_TRADE_EXECUTION_INSTANT if self.config.instant else self.SYMBOL_TRADE_EXECUTION_MARKET
        own = contract.currency_base in ("", contract.currency_profit)
        known = {
            "select": symbol in self._selected, "visible": symbol in self._selected, "digits": contract.digits,
            "time": self._server_ms(int(last["time_ns"])) // 1000 if last is not None else 0, "spread_float": True,
            "trade_mode": 4, "trade_stops_level": contract.stops_level_points, "trade_exemode": execution,
            "filling_mode": self.config.filling_mask, "order_mode": 127, "point": contract.point,
            "bid": float(last["bid"]) if last is not None else 0.0,
            "ask": float(last["ask"]) if last is not None else 0.0,
            "trade_tick_size": contract.tick_size, "trade_contract_size": contract.contract_size,
            "volume_min": contract.min_lots, "volume_max": contract.max_lots, "volume_step": contract.lot_step,
            "swap_long": contract.swap_long_points, "swap_short": contract.swap_short_points, "swap_mode": 1,
            "swap_rollover3days": 3, "trade_calc_mode": 4 if own else 0,  # CFDLEVERAGE, FOREX
            "currency_base": contract.currency_base, "currency_profit": contract.currency_profit,
            "currency_margin": contract.currency_profit if own else contract.currency_base, "name": symbol,
            "path": f"Forex\\{symbol}",
        }  # fmt: skip
        texts = (
            "basis", "category", "currency_base", "currency_profit", "currency_margin", "bank", "description",
            "exchange", "formula", "isin", "name", "page", "path",
        )  # fmt: skip
        return _make(SymbolInfo, known, texts=texts)

    def symbol_info_tick(self, symbol: str) -> Tick | None:
        if not self._begin() or not self._is_known(symbol):
            return None
        self.market.look()
        last = self.market.last(symbol)
        if last is None or symbol not in self._selected:
            return Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)
        server_ms = self._server_ms(int(last["time_ns"]))
        flags = 1024 | _BID_ASK_FLAGS
        return Tick(server_ms // 1000, float(last["bid"]), float(last["ask"]), 0.0, 0, server_ms, flags, 0.0)

    def copy_ticks_from(self, symbol: str, date_from: Any, count: int, flags: int) -> npt.NDArray[np.void] | None:
        if not self._ready_for_ticks(symbol):
            return None
        start_ms = _milliseconds(date_from)
        self.market.start_at(self._utc_ns(start_ms))
        self.market.step()
        self._close_by_stops()
        return self._ticks(symbol, start_ms, None, int(count))

    def copy_ticks_range(self, symbol: str, date_from: Any, date_to: Any, flags: int) -> npt.NDArray[np.void] | None:
        if not self._ready_for_ticks(symbol):
            return None
        self.market.look()
        return self._ticks(symbol, _milliseconds(date_from), _milliseconds(date_to), None)

    def positions_get(self, **filters: Any) -> tuple[TradePosition, ...] | None:
        if not self._begin():
            return None
        self._close_by_stops()
        rows = (self._position_row(each) for each in self.book.state.positions if self.broker.shows_position(each))
        return tuple(row for row in rows if _matches(row, filters, ("symbol", "ticket")))

    def orders_get(self, **filters: Any) -> tuple[TradeOrder, ...] | None:
        if not self._begin():
            return None
        rows = (self._order_row(each) for each in self.book.state.orders if each.working)
        return tuple(row for row in rows if _matches(row, filters, ("symbol", "ticket")))

    def history_deals_get(self, *dates: Any, **filters: Any) -> tuple[TradeDeal, ...] | None:
        if not self._begin():
            return None
        self._close_by_stops()
        self.broker.look()
        rows = [self._deal_row(each) for each in self.book.state.deals if self.broker.shows(each)]
        if dates:
            low, high = _milliseconds(dates[0]), _milliseconds(dates[1])
            rows = [row for row in rows if low <= row.time_msc <= high]
        if "position" in filters:
            rows = [row for row in rows if row.position_id == filters["position"]]
        if "ticket" in filters:
            rows = [row for row in rows if row.order == filters["ticket"]]
        return tuple(rows)

    def history_orders_get(self, *dates: Any, **filters: Any) -> tuple[TradeOrder, ...] | None:
        if not self._begin():
            return None
        rows = [self._order_row(each) for each in self.book.state.orders if not each.working]
        if dates:
            low, high = _milliseconds(dates[0]), _milliseconds(dates[1])
            rows = [row for row in rows if low <= row.time_setup_msc <= high]
        if "position" in filters:
            rows = [row for row in rows if row.position_id == filters["position"]]
        return tuple(row for row in rows if _matches(row, filters, ("ticket",)))

    def order_send(self, request: Mapping[str, Any]) -> OrderSendResult | None:
        if not self._begin():
            return None
        self.market.look()
        self._close_by_stops()
        result, self._error = self.broker.send(request, self._selected)
        return result

    def _begin(self) -> bool:
        """Reset the error; say no when nobody has called initialize."""
        if not self._initialised:
            self._error = (ErrorCode.NO_IPC, "No IPC connection")
            return False
        if self.silent:
            self._error = (ErrorCode.IPC_TIMEOUT, "IPC timeout")
            return False
        self._error = (ErrorCode.OK, "Success")
        return True

    def _is_known(self, symbol: str) -> bool:
        if symbol not in self.contracts:
            self._error = (ErrorCode.NOT_FOUND, "Terminal: Symbol not found")
            return False
        return True

    def _ready_for_ticks(self, symbol: str) -> bool:
        if not self._begin() or not self._is_known(symbol):
            return False
        if symbol not in self._selected:
            self._error = (ErrorCode.NOT_FOUND, "Terminal: Not found")
            return False
        return True

    def _close_by_stops(self) -> None:
        for symbol, happened in self.market.happened.items():
            since = self._checked[symbol]
            if happened > since:
                self.broker.check_stops(symbol, self.market.ticks[symbol][since:happened])
                self._checked[symbol] = happened

    def _ticks(self, symbol: str, from_ms: int, to_ms: int | None, count: int | None) -> npt.NDArray[np.void]:
        ticks = self.market.ticks[symbol][: self.market.happened[symbol]]
        first = int(np.searchsorted(ticks["time_ns"], self._utc_ns(from_ms), side="left"))
        end = len(ticks) if to_ms is None else int(np.searchsorted(ticks["time_ns"], self._utc_ns(to_ms), side="right"))
        ticks = ticks[first : end if count is None else min(end, first + count)]
        rows = np.zeros(len(ticks), dtype=TICK_DTYPE)
        rows["time_msc"] = self._clock.to_wall(ticks["time_ns"]) // 1_000_000
        rows["time"] = rows["time_msc"] // 1000
        rows["bid"], rows["ask"] = ticks["bid"], ticks["ask"]
        rows["flags"] = 128 | _BID_ASK_FLAGS
        return rows

    @property
    def _clock(self) -> Any:
        from kernel_lib.importers.server_clock import server_clock

        return server_clock(self.config.server_zone)

    def _utc_ns(self, server_ms: int) -> int:
        return int(self._clock.utc(server_ms * 1_000_000))

    def _server_ms(self, utc_ns: int) -> int:
        return utc_ns_to_server_ms(utc_ns, self.config.server_zone)

    def _position_row(self, held: Position) -> TradePosition:
        server_ms = self._server_ms(held.time_ns)
        price = self.broker.closing_price(held)
        profit = round(self.book.profit_of(held, price, held.lots), 2)
        kind = self.POSITION_TYPE_BUY if held.side > 0 else self.POSITION_TYPE_SELL
        return TradePosition(
            held.ticket, server_ms // 1000, server_ms, server_ms // 1000, server_ms, kind, held.magic, held.identifier,
            held.reason, held.lots, held.price, held.stop_loss, held.take_profit, price, 0.0, profit, held.symbol,
            held.comment, "",
        )  # fmt: skip

    def _order_row(self, order: Order) -> TradeOrder:
        server_ms = self._server_ms(order.time_ns)
        done_ms = 0 if order.working else server_ms
        kind = self.ORDER_TYPE_BUY if order.side > 0 else self.ORDER_TYPE_SELL
        return TradeOrder(
            order.ticket, server_ms // 1000, server_ms, done_ms // 1000, done_ms, 0, kind, 0, 1, order.state,
            order.magic, order.position_id, 0, order.reason, order.lots, order.left, 0.0, 0.0, 0.0, 0.0, 0.0,
            order.symbol, order.comment, "",
        )  # fmt: skip

    def _deal_row(self, deal: Deal) -> TradeDeal:
        server_ms = self._server_ms(deal.time_ns)
        kind = self.DEAL_TYPE_BUY if deal.side > 0 else self.DEAL_TYPE_SELL
        return TradeDeal(
            deal.ticket, deal.order, server_ms // 1000, server_ms, kind, deal.entry, deal.magic, deal.position_id,
            deal.reason, deal.lots, deal.price, deal.commission, 0.0, deal.profit, 0.0, deal.symbol, deal.comment, "",
        )  # fmt: skip


def _milliseconds(date: Any) -> int:
    """Seconds or a datetime, as the module takes them, to the server's milliseconds."""
    seconds = date.timestamp() if hasattr(date, "timestamp") else float(date)
    return round(seconds * 1000)


def _matches(row: Any, filters: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return all(getattr(row, name) == filters[name] for name in names if name in filters)


def _make(kind: Any, known: Mapping[str, Any], texts: tuple[str, ...]) -> Any:
    blank = {name: "" if name in texts else 0 for name in kind._fields}
    return kind(**(blank | dict(known)))
