"""The request a terminal is given: a buy asks for the ask, a sale for the bid; filled as the symbol allows."""

from typing import Any

import msgspec
import pytest

from kernel_lib.errors import BadData
from mt5_feed.order_request import build_request, choose_filling
from mt5_feed.simulator import SimulatedTerminal
from tests.mt5_feed.order_bench import intent, path_of
from tests.mt5_feed.running import terminal

FOK, IOC, RETURN = 0, 1, 2
REQUEST, INSTANT, MARKET, EXCHANGE = 0, 1, 2, 3


class Unwilling(SimulatedTerminal):
    """Knows the symbol, and does not put it into the market watch."""

    def symbol_select(self, symbol: str, enable: bool = True) -> bool:
        return False


def quoted() -> SimulatedTerminal:
    made = terminal(path_of(1.1), chunk=1)
    made.symbol_select("EURUSD", True)
    made.copy_ticks_from("EURUSD", 0, 1, -1)
    return made


@pytest.mark.parametrize(("side", "kind", "price"), [(1, 0, 1.1001), (-1, 1, 1.1)])
def test_a_market_deal_says_all_that_the_server_asks_for(side: int, kind: int, price: float) -> None:
    order = intent("k1", side=side, lots=0.3, stop_loss=1.0987654321, take_profit=1.2012345678, deviation_points=12)
    assert build_request(quoted(), order) == {
        "action": 1, "symbol": "EURUSD", "volume": 0.3, "type": kind, "price": price, "sl": 1.09877, "tp": 1.20123,
        "deviation": 12, "magic": 77, "comment": "k1", "type_time": 0, "type_filling": IOC,
    }  # fmt: skip


def test_a_position_is_closed_by_its_ticket_which_may_not_be_its_identifier() -> None:
    made = quoted()
    held = [made.order_send(build_request(made, intent(key))) for key in ("k1", "k2")]
    assert None not in held
    positions = [each._replace(ticket=each.identifier + 1000) for each in made.positions_get() or ()]
    made.positions_get = lambda **filters: tuple(positions)  # type: ignore[method-assign]
    for each in positions:
        assert build_request(made, intent("k3", side=-1, position=each.identifier))["position"] == each.ticket
    assert build_request(made, intent("k3", side=-1, position=999))["position"] == 999
    made.positions_get = lambda **filters: None  # type: ignore[method-assign]
    assert build_request(made, intent("k3", side=-1, position=999))["position"] == 999


def test_a_symbol_must_be_known_and_watched() -> None:
    with pytest.raises(BadData, match="'GBPUSD' is not"):
        build_request(quoted(), msgspec.structs.replace(intent("k1"), symbol="GBPUSD"))
    unwilling = Unwilling({"EURUSD": path_of(1.1)})
    unwilling.initialize()
    with pytest.raises(BadData, match="known to the terminal, 'EURUSD' is not"):
        build_request(unwilling, intent("k1"))


@pytest.mark.parametrize("quote", [None, (0.0, 0.0), (1.1, 0.0)])
def test_nothing_is_bought_without_a_quote(quote: Any) -> None:
    made = quoted()
    newest = made.symbol_info_tick("EURUSD")
    assert newest is not None
    told = None if quote is None else newest._replace(bid=quote[0], ask=quote[1])
    made.symbol_info_tick = lambda symbol: told  # type: ignore[method-assign]
    with pytest.raises(BadData, match="must have a quote"):
        build_request(made, intent("k1"))


@pytest.mark.parametrize(
    ("execution", "mask", "filling"),
    [
        # The mask says FOK 1, IOC 2; the enumeration FOK 0, IOC 1, RETURN 2.
        (MARKET, 1, FOK), (MARKET, 2, IOC), (MARKET, 3, IOC),
        (EXCHANGE, 1, RETURN), (EXCHANGE, 2, RETURN), (EXCHANGE, 3, RETURN),
        (INSTANT, 1, FOK), (INSTANT, 3, FOK), (REQUEST, 3, FOK),
    ],
)  # fmt: skip
def test_an_order_is_filled_as_the_symbol_s_execution_allows(execution: int, mask: int, filling: int) -> None:
    made = quoted()
    info = made.symbol_info("EURUSD")
    assert info is not None
    assert choose_filling(made, info._replace(trade_exemode=execution, filling_mode=mask)) == filling
