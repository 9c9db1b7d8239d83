"""The port to a MetaTrader 5 terminal: the part of the MetaTrader5 module's surface that the agent uses.

Results are tuples with names, in the field order of the module; ticks are structured arrays. A call that fails
gives None or False, never an exception, and ``last_error()`` says why. This is the only file that imports
MetaTrader5. Its functions hold the interpreter for the whole round trip, so nothing else in the process runs then.
"""

import platform
from collections import namedtuple
from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured, Transient

__all__ = [
    "RATE_DTYPE", "TICK_DTYPE", "AccountInfo", "OrderSendResult", "SymbolInfo", "Terminal", "TerminalInfo", "Tick",
    "TradeDeal", "TradeOrder", "TradePosition", "TradeRequest", "open_terminal",
]  # fmt: skip

TICK_DTYPE = np.dtype(
    [
        ("time", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("last", "<f8"), ("volume", "<u8"), ("time_msc", "<i8"),
        ("flags", "<u4"), ("volume_real", "<f8"),
    ]
)  # fmt: skip
RATE_DTYPE = np.dtype(
    [
        ("time", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"), ("tick_volume", "<u8"),
        ("spread", "<i4"), ("real_volume", "<u8"),
    ]
)  # fmt: skip

Tick = namedtuple("Tick", "time bid ask last volume time_msc flags volume_real")
TradePosition = namedtuple(
    "TradePosition",
    "ticket time time_msc time_update time_update_msc type magic identifier reason volume price_open sl tp "
    "price_current swap profit symbol comment external_id",
)
TradeOrder = namedtuple(
    "TradeOrder",
    "ticket time_setup time_setup_msc time_done time_done_msc time_expiration type type_time type_filling state magic "
    "position_id position_by_id reason volume_initial volume_current price_open sl tp price_current price_stoplimit "
    "symbol comment external_id",
)
TradeDeal = namedtuple(
    "TradeDeal",
    "ticket order time time_msc type entry magic position_id reason volume price commission swap profit fee symbol "
    "comment external_id",
)
TradeRequest = namedtuple(
    "TradeRequest",
    "action magic order symbol volume price stoplimit sl tp deviation type type_filling type_time expiration comment "
    "position position_by",
)
OrderSendResult = namedtuple(
    "OrderSendResult", "retcode deal order volume price bid ask comment request_id retcode_external request"
)
AccountInfo = namedtuple(
    "AccountInfo",
    "login trade_mode leverage limit_orders margin_so_mode trade_allowed trade_expert margin_mode currency_digits "
    "fifo_close balance credit profit equity margin margin_free margin_level margin_so_call margin_so_so "
    "margin_initial margin_maintenance assets liabilities commission_blocked name server currency company",
)
TerminalInfo = namedtuple(
    "TerminalInfo",
    "community_account community_connection connected dlls_allowed trade_allowed tradeapi_disabled email_enabled "
    "ftp_enabled notifications_enabled mqid build maxbars codepage ping_last community_balance retransmission company "
    "name language path data_path commondata_path",
)
SymbolInfo = namedtuple(
    "SymbolInfo",
    "custom chart_mode select visible session_deals session_buy_orders session_sell_orders volume volumehigh volumelow "
    "time digits spread spread_float ticks_bookdepth trade_calc_mode trade_mode start_time expiration_time "
    "trade_stops_level trade_freeze_level trade_exemode swap_mode swap_rollover3days margin_hedged_use_leg "
    "expiration_mode filling_mode order_mode order_gtc_mode option_mode option_right bid bidhigh bidlow ask askhigh "
    "asklow last lasthigh lastlow volume_real volumehigh_real volumelow_real option_strike point trade_tick_value "
    "trade_tick_value_profit trade_tick_value_loss trade_tick_size trade_contract_size trade_accrued_interest "
    "trade_face_value trade_liquidity_rate volume_min volume_max volume_step volume_limit swap_long swap_short "
    "margin_initial margin_maintenance session_volume session_turnover session_interest session_buy_orders_volume "
    "session_sell_orders_volume session_open session_close session_aw session_price_settlement "
    "session_price_limit_min session_price_limit_max margin_hedged price_change price_volatility price_theoretical "
    "price_greeks_delta price_greeks_theta price_greeks_gamma price_greeks_vega price_greeks_rho price_greeks_omega "
    "price_sensitivity basis category currency_base currency_profit currency_margin bank description exchange formula "
    "isin name page path",
)


class Terminal(Protocol):
    """What the agent asks of a terminal; the MetaTrader5 module satisfies it, and so does the simulator."""

    COPY_TICKS_ALL: int
    TRADE_ACTION_DEAL: int
    ORDER_TYPE_BUY: int
    ORDER_TYPE_SELL: int
    ORDER_TIME_GTC: int
    ORDER_FILLING_FOK: int
    ORDER_FILLING_IOC: int
    ORDER_FILLING_RETURN: int
    ACCOUNT_MARGIN_MODE_RETAIL_HEDGING: int
    SYMBOL_TRADE_EXECUTION_MARKET: int
    SYMBOL_TRADE_EXECUTION_EXCHANGE: int

    def initialize(self, *args: Any, **options: Any) -> bool: ...
    def shutdown(self) -> None: ...
    def last_error(self) -> tuple[int, str]: ...
    def terminal_info(self) -> Any: ...
    def account_info(self) -> Any: ...
    def symbol_info(self, symbol: str) -> Any: ...
    def symbol_info_tick(self, symbol: str) -> Any: ...
    def symbol_select(self, symbol: str, enable: bool = True) -> bool: ...
    def copy_ticks_from(self, symbol: str, date_from: float, count: int, flags: int) -> npt.NDArray[np.void] | None: ...
    def copy_ticks_range(
        self, symbol: str, date_from: float, date_to: float, flags: int
    ) -> npt.NDArray[np.void] | None: ...
    def positions_get(self, **filters: Any) -> tuple[Any, ...] | None: ...
    def orders_get(self, **filters: Any) -> tuple[Any, ...] | None: ...
    def history_deals_get(self, *dates: float, **filters: Any) -> tuple[Any, ...] | None: ...
    def history_orders_get(self, *dates: float, **filters: Any) -> tuple[Any, ...] | None: ...
    def order_send(self, request: Mapping[str, Any]) -> Any: ...


def open_terminal(path: str = "", timeout_ms: int = 60_000) -> Terminal:
    """Connect to the real terminal on this PC, starting it if needed; the account is the one it is logged in to.

    Raises
    ------
    Misconfigured
        This is not Windows, or the package is not installed.
    Transient
        The terminal did not answer.
    """
    if platform.system() != "Windows":
        raise Misconfigured("a MetaTrader 5 terminal runs on Windows only; here give --simulate FILE or generator")
    try:
        import MetaTrader5
    except ImportError as error:
        raise Misconfigured(f"the MetaTrader5 package must be installed beside the agent: {error}") from error
    terminal = cast(Terminal, MetaTrader5)
    places = (path,) if path else ()
    if not terminal.initialize(*places, timeout=timeout_ms):
        code, text = terminal.last_error()
        raise Transient(f"the terminal must answer within {timeout_ms} ms, it did not: {code} {text}")
    return terminal
