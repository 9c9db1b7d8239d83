"""A book's order rows become messages for the bridge, with the sizes and prices that a person would write."""

from decimal import Decimal

import numpy as np
import pytest

from kernel_lib.market.instrument import Instrument
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.record import EVENT, Kind, Reason
from live_engine.broker import Intents, order_id_of, order_key, refusal_in
from tests.live_engine.desk_kit import approved_bundle

_MAGIC = 0x1234_5678


def _intents(lot_step: float = 0.01, digits: int = 5, *, hedging: bool = False) -> Intents:
    point = 10.0**-digits
    contract = Instrument(
        symbol="X", digits=digits, point=point, tick_size=point, contract_size=100.0, lot_step=lot_step,
        min_lots=lot_step, max_lots=1e6,
    )  # fmt: skip
    passport, *_ = approved_bundle(ma_cross, instrument=contract, account=AccountConfig(hedging=hedging))
    return Intents(passport, "pc1", _MAGIC)


def _order(**fields: int) -> bytes:
    rows = np.zeros(1, EVENT)
    rows["kind"], rows["side"] = int(Kind.ORDER), 1
    for name, number in fields.items():
        rows[name] = number
    return rows.tobytes()


@pytest.mark.parametrize("lot_step", ["0.01", "0.1", "1", "0.001", "0.05", "5", "0.3", "0.025"])
def test_lots_are_the_nearest_float_to_what_a_person_would_write(lot_step: str) -> None:
    intents = _intents(float(lot_step))
    for units in [*range(1, 400), 9_999, 100_001]:
        assert intents.of(_order(units=units), 0, 0)[0].lots == float(units * Decimal(lot_step))


@pytest.mark.parametrize("digits", [0, 2, 3, 5, 8])
def test_stops_are_the_nearest_float_to_the_quoted_price(digits: int) -> None:
    intents = _intents(digits=digits)
    for points in [1, 7, 110_123, 123_456_789]:
        intent = intents.of(_order(units=1, stop_points=points, take_points=points + 1), 0, 0)[0]
        assert intent.stop_loss == float(Decimal(points).scaleb(-digits))
        assert intent.take_profit == float(Decimal(points + 1).scaleb(-digits))


def test_no_stop_is_no_price() -> None:
    intent = _intents().of(_order(units=1), 0, 0)[0]
    assert (intent.stop_loss, intent.take_profit) == (0.0, 0.0)


def test_the_last_denial_is_said_in_words() -> None:
    spread, rate = (
        _order(kind=int(Kind.DENIED), reason=int(each)) for each in (Reason.MAX_SPREAD, Reason.MESSAGE_RATE)
    )
    assert refusal_in(_order() + spread + rate + _order()) == "denied: message rate"
    assert refusal_in(_order()) == ""


def test_only_orders_become_intents_in_their_order() -> None:
    others = b"".join(_order(kind=int(kind)) for kind in Kind if kind is not Kind.ORDER)
    rows = _order(units=1, order_id=4) + others + _order(units=2, order_id=5, side=-1)
    made = _intents().of(rows, 7, 0)
    assert [(each.key, each.side, each.sent_ns) for each in made] == [
        (order_key(_MAGIC, 4), 1, 7),
        (order_key(_MAGIC, 5), -1, 7),
    ]


def test_a_key_written_ahead_is_the_orders_own() -> None:
    intents = _intents()
    intents.prepare(36)
    made = intents.of(_order(units=1, order_id=36) + _order(units=1, order_id=37), 0, 0)
    assert [order_id_of(each.key, _MAGIC) for each in made] == [36, 37]


def test_a_position_is_named_on_hedging_accounts_only() -> None:
    row = _order(units=1, position_id=55)
    assert _intents(hedging=True).of(row, 0, 0)[0].position == 55
    assert _intents().of(row, 0, 0)[0].position == 0


@pytest.mark.parametrize(
    ("side", "units", "held", "closes"),
    [
        (-1, 10, 10, 0.10),  # an exit
        (-1, 4, 10, 0.04),  # a part of it
        (-1, 25, 10, 0.10),  # turned
        (1, 25, -10, 0.10),
        (1, 10, 10, 0.0),  # added
        (-1, 10, 0, 0.0),  # entered
    ],
)
def test_an_order_says_how_much_of_it_closes_on_a_netting_account(
    side: int, units: int, held: int, closes: float
) -> None:
    (made,) = _intents().of(_order(units=units, side=side), 0, held)
    assert (made.lots, made.closes, made.position) == (units / 100, closes, 0)


def test_on_a_hedging_account_what_names_a_position_closes_and_nothing_else_does() -> None:
    rows = _order(units=10, side=-1, position_id=55) + _order(units=15, side=-1)
    closing, opening = _intents(hedging=True).of(rows, 0, 10)
    assert (closing.closes, opening.closes) == (0.1, 0.0)
