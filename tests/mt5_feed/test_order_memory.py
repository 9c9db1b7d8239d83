"""What an order desk remembers is what its log says, read record by record or from a checkpoint."""

from typing import Any

import pytest

from kernel_lib.wire import Report, encode
from mt5_feed.order_memory import OrderMemory
from mt5_feed.spool import ITEM, NOTE, Record
from tests.mt5_feed.order_bench import intent


def note(payload: bytes) -> Record:
    return Record(NOTE, 1, 0, payload)


def told(kind: str, key: str = "k1", **fields: Any) -> Record:
    return Record(ITEM, 1, 1, encode(Report(agent="demo", seq=1, kind=kind, key=key, **fields)))


def remembering(*records: Record, checkpoint: bool) -> OrderMemory:
    """A memory that took these records; then another one that was made from its checkpoint."""
    made = OrderMemory(lambda: 5.0)
    for each in records:
        made.replay(each)
    if not checkpoint:
        return made
    again = OrderMemory(lambda: 5.0)
    again.restore(made.state())
    return again


either = pytest.mark.parametrize("checkpoint", [False, True])


@either
def test_an_order_that_was_found_and_filled_in_part_is_still_open_for_its_rest(checkpoint: bool) -> None:
    memory = remembering(
        note(b"deal 100"), note(encode(intent("k1"))), note(b"order 55 1 98 k1"),
        told("filled", lots=0.04, deal=107, position=9), checkpoint=checkpoint,
    )  # fmt: skip
    each = memory.open["k1"]
    assert (each.ticket, each.answered, each.noted, each.after) == (55, True, True, 98)
    assert (each.filled, each.left, each.since_s) == (0.04, 0.06, 5.0)
    assert (list(memory.known), memory.keys, list(memory.told), memory.last_deal) == (["k1"], {9: "k1"}, [107], 100)


@either
def test_an_order_that_may_have_been_sent_is_open_from_the_newest_deal_on(checkpoint: bool) -> None:
    memory = remembering(
        note(b"deal 100"), note(encode(intent("k1"))), note(b"order 0 0 100 k1"), checkpoint=checkpoint
    )
    each = memory.open["k1"]
    assert (each.ticket, each.answered, each.noted, each.after, each.filled) == (0, False, False, 100, 0.0)


@either
@pytest.mark.parametrize(
    ("reports", "opened"),
    [
        ([told("unknown")], ["k1"]),
        ([told("accepted")], ["k1"]),
        ([told("rejected")], []),
        ([told("filled", lots=0.1, deal=7, position=9)], []),
        ([told("filled", lots=0.07, deal=7, position=9), told("filled", lots=0.03, deal=8, position=9)], []),
        ([told("filled", lots=0.07, deal=7, position=9)], ["k1"]),
        ([told("filled", lots=0.07, deal=7, position=9), told("rejected")], []),
        ([told("filled", "k0", lots=0.1, deal=7, position=9)], ["k1"]),
        ([told("rejected", "k0")], ["k1"]),
    ],
)
def test_an_order_is_open_until_it_is_filled_or_rejected(
    reports: list[Record], opened: list[str], checkpoint: bool
) -> None:
    memory = remembering(note(encode(intent("k1"))), *reports, checkpoint=checkpoint)
    assert list(memory.open) == opened


@either
def test_a_key_that_was_only_ever_refused_is_known_and_a_close_makes_none_known(checkpoint: bool) -> None:
    memory = remembering(
        told("rejected", "k7"), told("closed", "", deal=120, position=9), told("closed", "k8", deal=119, position=9),
        checkpoint=checkpoint,
    )  # fmt: skip
    assert (list(memory.known), memory.last_deal, list(memory.told)) == (["k7"], 120, [120, 119])


@either
@pytest.mark.parametrize(("noted", "last"), [([], None), ([note(b"deal 0")], 0), ([note(b"deal 7")], 7)])
def test_no_look_at_the_deals_yet_is_not_the_same_as_none_there(
    noted: list[Record], last: int | None, checkpoint: bool
) -> None:
    assert remembering(*noted, checkpoint=checkpoint).last_deal == last


def test_what_is_noted_of_an_order_that_has_ended_is_passed_over() -> None:
    memory = remembering(note(encode(intent("k1"))), told("rejected"), note(b"order 55 1 98 k1"), checkpoint=False)
    assert not memory.open


def test_the_newest_twenty_thousand_are_kept() -> None:
    memory = OrderMemory(lambda: 0.0)
    for deal in range(1, 20_003):
        memory.tell(deal)
    assert (len(memory.told), min(memory.told), max(memory.told)) == (20_000, 3, 20_002)
