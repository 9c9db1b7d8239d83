"""Which deals and orders are an intent's own: by ticket, then by key, then by what nobody else's can be."""

from typing import Any

import pytest

from mt5_feed.order_search import OpenOrder, is_trade, key_of, own_deals, own_order
from mt5_feed.terminal import TradeDeal, TradeOrder
from tests.mt5_feed.order_bench import intent

BUY, SELL, DEPOSIT = 0, 1, 2
BY_EXPERT, BY_STOP, BY_TARGET, BY_STOP_OUT = 3, 4, 5, 6


def deal(ticket: int, **fields: Any) -> Any:
    """A deal as our order of 0.1 lots, sent with deal 100 as the newest, leaves it where the broker cut its comment."""
    known = {
        "order": 7, "type": BUY, "entry": 0, "magic": 77, "position_id": 7, "reason": BY_EXPERT, "volume": 0.1,
        "symbol": "EURUSD", "comment": "",
    }  # fmt: skip
    return TradeDeal(**dict.fromkeys(TradeDeal._fields, 0) | known | {"ticket": ticket} | fields)


def order(ticket: int, comment: str) -> Any:
    return TradeOrder(**dict.fromkeys(TradeOrder._fields, 0) | {"ticket": ticket, "comment": comment})


def sent(key: str = "k1", *, ticket: int = 0, filled: float = 0.0, **fields: Any) -> OpenOrder:
    return OpenOrder(intent(key, **fields), 0.0, 100, ticket=ticket, filled=filled)


def found(each: OpenOrder, *deals: Any, known: tuple[str, ...] = ("k1", "other")) -> list[int]:
    return [int(one.ticket) for one in own_deals(each, deals, known)]


def test_a_new_deal_that_can_be_nobody_else_s_is_the_order_s_own() -> None:
    assert found(sent(), deal(101)) == [101]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": SELL}, {"type": DEPOSIT}, {"symbol": "GBPUSD"}, {"magic": 78}, {"comment": "other"}, {"volume": 0.11},
        {"reason": BY_STOP}, {"reason": BY_TARGET}, {"reason": BY_STOP_OUT},
    ],
    ids=str,
)  # fmt: skip
def test_a_deal_that_differs_in_one_thing_is_not(fields: dict[str, Any]) -> None:
    assert found(sent(), deal(101, **fields)) == []


@pytest.mark.parametrize("ticket", [99, 100])
def test_a_deal_from_before_the_order_was_sent_is_not(ticket: int) -> None:
    assert found(sent(), deal(ticket)) == []


def test_a_sale_is_not_a_purchase_s() -> None:
    assert found(sent(side=-1), deal(101), deal(102, type=SELL)) == [102]


def test_a_deposit_is_no_sale() -> None:
    assert found(sent(side=-1), deal(101, type=DEPOSIT)) == []
    assert [is_trade(deal(1, type=kind)) for kind in (BUY, SELL, DEPOSIT)] == [True, True, False]


def test_a_close_takes_only_deals_of_the_position_it_closes() -> None:
    assert found(sent(position=5), deal(101, position_id=6), deal(102, position_id=5)) == [102]


def test_deals_without_a_key_are_taken_in_their_order_as_long_as_they_fit() -> None:
    parts = [deal(104, volume=0.05), deal(102, volume=0.06), deal(103, volume=0.05), deal(101, volume=0.04)]
    assert found(sent(), *parts) == [101, 102]


def test_what_was_filled_before_leaves_no_room_for_more() -> None:
    assert found(sent(filled=0.06), deal(101, volume=0.05)) == []
    assert found(sent(filled=0.06), deal(101, volume=0.04)) == [101]


def test_a_deal_with_the_key_is_its_own_whenever_it_was_and_with_another_magic_number_is_not() -> None:
    assert found(sent(), deal(99, comment="k1", reason=BY_STOP)) == [99]
    assert found(sent(), deal(101, comment="k1", magic=78)) == []


def test_once_the_ticket_is_known_only_that_order_s_deals_count() -> None:
    each = sent(ticket=7)
    assert found(each, deal(101, order=8, comment="k1"), deal(102, order=7, comment="rewritten", magic=0)) == [102]
    assert found(each, deal(103, order=7, symbol="GBPUSD"), deal(104, order=7, type=SELL)) == []


def test_an_order_is_found_by_its_ticket_and_by_its_key_only_where_no_ticket_is_known() -> None:
    rows = [order(1, "other"), order(2, "k1"), order(3, "")]
    assert own_order(sent(), rows).ticket == 2
    assert own_order(sent(ticket=3), rows).ticket == 3
    assert own_order(sent(ticket=4), rows) is None
    assert own_order(sent("k9"), rows) is None


def test_a_key_is_the_first_sixteen_characters_of_a_comment() -> None:
    assert key_of("0123456789abcdef-cut") == "0123456789abcdef"
