"""The broker's reports become a book's events, in lot steps, points and cents; and whose each report is."""

from typing import Any

import numpy as np
import pytest

from kernel_lib.market.instrument import EURUSD
from kernel_lib.passport import Passport
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.record import EVENT, BrokerKind, Entry, Kind, Reason
from kernel_lib.wire import Report
from live_engine.broker import (
    Intents,
    broker_event,
    is_key_of,
    magic_of,
    never_sent,
    order_id_of,
    order_key,
    trades_opened,
)
from tests.live_engine.desk_kit import approved_bundle

MAGIC = 0x7FFF_FFFF  # zik0zj in base 36


@pytest.fixture(scope="module")
def passport() -> Passport:
    made, *_ = approved_bundle(ma_cross, instrument=EURUSD)
    return made


def report(kind: str, **fields: Any) -> Report:
    known = {"agent": "pc1", "seq": 1, "kind": kind, "key": "zik0zj.c", "symbol": "EURUSD", "magic": MAGIC}
    return Report(**known | fields)


def event(passport: Passport, told: Report, order_id: int = 12) -> dict[str, int]:
    made = broker_event(told, passport, order_id)
    assert made is not None
    return {name: int(made[name][0]) for name in made.dtype.names or ()}


def test_a_fill_is_told_in_lot_steps_points_and_cents(passport: Passport) -> None:
    told = report(
        "filled", lots=0.29, price=1.10017, position=4711, time_ns=5, commission=-1.02, swap=-0.07, side=-1, deal=9
    )
    assert event(passport, told) == {
        "kind": BrokerKind.FILLED, "order_id": 12, "position_id": 4711, "units": 29, "points": 110_017, "time_ns": 5,
        "commission_minor": 102, "swap_minor": -7, "reason": Reason.BROKER,
    }  # fmt: skip


def test_what_a_broker_pays_for_a_deal_is_a_rebate_and_no_cost(passport: Passport) -> None:
    # A terminal tells what a deal's commission added to the balance: below zero where it cost something.
    told = report("filled", lots=0.1, price=1.1, position=4711, commission=0.25)
    assert event(passport, told)["commission_minor"] == -25


@pytest.mark.parametrize(("kind", "known"), [("accepted", BrokerKind.ACCEPTED), ("rejected", BrokerKind.REJECTED)])
def test_an_answer_names_its_order(passport: Passport, kind: str, known: BrokerKind) -> None:
    found = event(passport, report(kind, lots=0.1))
    assert (found["kind"], found["order_id"], found["units"]) == (known, 12, 10)


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        # in the terminal's words, as a deal's comment has them
        ("[sl 1.09000]", Reason.STOP_LOSS), ("[tp 1.20000]", Reason.TAKE_PROFIT), ("[so 49.8%]", Reason.STOP_OUT),
        ("[sl] rewritten by the broker", Reason.STOP_LOSS), ("so: 49.8%/9.1/18.2", Reason.STOP_OUT),
        ("", Reason.BROKER), ("closed by hand", Reason.BROKER), ("reason 0", Reason.BROKER),
    ],
)  # fmt: skip
def test_a_close_says_why(passport: Passport, comment: str, reason: Reason) -> None:
    assert event(passport, report("closed", key="", lots=0.1, reason=comment), 0)["reason"] == reason


def test_a_close_needs_no_order_and_every_other_report_does(passport: Passport) -> None:
    found = event(passport, report("closed", key="", lots=0.1, position=4711), 0)
    assert (found["kind"], found["order_id"], found["position_id"]) == (BrokerKind.CLOSED, 0, 4711)
    for kind in ("accepted", "filled", "rejected"):
        assert broker_event(report(kind, key="", lots=0.1), passport, 0) is None


def test_what_nobody_knows_and_deals_of_nothing_say_nothing_to_a_book(passport: Passport) -> None:
    assert broker_event(report("unknown", lots=0.1), passport, 12) is None
    for kind in ("filled", "closed"):
        assert broker_event(report(kind, lots=0.004), passport, 12) is None


@pytest.mark.parametrize(
    "key",
    ["zik0zj", "zik0zj.", ".c", "c", "zik0zi.c", "zik0zj.C", "zik0zj.1_0", "zik0zj.1.2", "zik0zj.-1", "zik0zj. 1", ""],
)
def test_a_key_that_is_not_wholly_this_strategy_s_names_no_order(key: str) -> None:
    assert order_id_of(key, MAGIC) is None


def test_a_key_is_read_back_as_it_was_written_and_fits_into_a_comment() -> None:
    for magic, order_id in ((1, 1), (MAGIC, 35), (MAGIC, 36**8), (36, 10**12)):
        key = order_key(magic, order_id)
        assert len(key) <= 16
        assert order_id_of(key, magic) == order_id
        assert is_key_of(f"{key} by server", magic)
        assert not is_key_of(key, magic + 1)
    assert not is_key_of("0.1", 0)


@pytest.mark.parametrize(
    ("digest", "magic"),
    [("7fffffff0", 0x7FFF_FFFF), ("ffffffff0", 0x7FFF_FFFF), ("80000000f", 1), ("00000000f", 1), ("0000000af", 10)],
)
def test_a_magic_number_is_31_bits_of_the_first_eight_digits_and_never_nothing(digest: str, magic: int) -> None:
    assert magic_of(digest) == magic


def test_an_order_that_never_left_is_rejected_in_the_bridge_s_words(passport: Passport) -> None:
    told = never_sent("zik0zj.c", passport, "pc1", MAGIC, 5)
    assert (told.kind, told.origin, told.key, told.time_ns) == ("rejected", "bridge", "zik0zj.c", 5)
    assert event(passport, told)["kind"] == BrokerKind.REJECTED


def test_a_trade_is_a_fill_that_opens_or_turns_a_position() -> None:
    rows = np.zeros(4, EVENT)
    rows["kind"] = [Kind.FILL, Kind.FILL, Kind.FILL, Kind.ORDER]
    rows["entry"] = [Entry.IN, Entry.OUT, Entry.INOUT, Entry.IN]
    assert trades_opened(rows.tobytes()) == 2


def test_an_intent_may_be_sent_for_ten_seconds(passport: Passport) -> None:
    rows = np.zeros(1, EVENT)
    rows["kind"], rows["side"], rows["units"], rows["order_id"] = int(Kind.ORDER), -1, 10, 12
    (made,) = Intents(passport, "pc1", MAGIC).of(rows.tobytes(), 5, 0)
    assert (made.sent_ns, made.expires_ns) == (5, 5 + 10 * 10**9)
    assert (made.key, made.agent, made.magic, made.symbol, made.hedging) == ("zik0zj.c", "pc1", MAGIC, "EURUSD", False)
