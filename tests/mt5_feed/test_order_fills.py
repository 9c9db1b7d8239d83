"""Fills that come in parts, late, rewritten, or by another hand: each lot is told, and told once."""

from pathlib import Path
from typing import Any

import pytest

from mt5_feed.simulator import Fault
from tests.mt5_feed.order_bench import Make, intent, path_of


@pytest.mark.parametrize("restart", [False, True])
def test_a_partial_fill_reports_what_was_filled_and_that_the_rest_is_cancelled(make: Make, restart: bool) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "partial"),))
    bench.desk.receive(intent("k1", lots=0.4))
    assert [(each.kind, each.lots, each.retcode) for each in bench.reports()] == [("filled", 0.2, 10010)]
    if restart:
        bench.again()
    bench.desk.reconcile()
    (rest,) = bench.reports()
    assert (rest.kind, rest.key) == ("rejected", "k1")
    assert rest.reason == "the broker cancelled it; 0.2 of 0.4 lots were filled"
    assert bench.desk.n_open == 0


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("kind", ["hide", "place"])
def test_a_fill_that_shows_later_than_its_answer_is_waited_for(make: Make, kind: Any, restart: bool) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, kind, looks=4, comment=""),))
    bench.desk.receive(intent("k1"))
    assert bench.kinds() == ["accepted"]
    if restart:
        bench.again()
    found = []
    for _ in range(6):
        bench.seconds += 20.0
        bench.desk.reconcile()
        found += bench.reports()
    assert [(each.kind, each.lots) for each in found if each.kind != "unknown"] == [("filled", 0.1)]
    assert bench.desk.n_open == 0


def test_a_broker_that_says_done_and_shows_nothing_is_never_taken_for_a_no(make: Make) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "hide", looks=1000),))
    bench.desk.receive(intent("k1"))
    for _ in range(20):
        bench.seconds += 20.0
        bench.desk.reconcile()
    assert bench.kinds() == ["accepted", "unknown"]
    assert bench.desk.n_open == 1


def test_an_order_placed_and_rejected_later_is_rejected_then(make: Make) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "place_reject", looks=3),))
    bench.desk.receive(intent("k1"))
    bench.seconds += 60
    bench.desk.reconcile()
    assert bench.kinds() == ["accepted"]
    bench.desk.reconcile()
    bench.desk.reconcile()
    (report,) = bench.reports()
    assert (report.kind, report.reason) == ("rejected", "the broker rejected it")
    assert bench.desk.n_open == 0


@pytest.mark.parametrize("restart", [False, True])
def test_an_order_filled_in_two_deals_is_reported_in_two_each_once(make: Make, restart: bool) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "in_parts", looks=3),))
    bench.desk.receive(intent("k1", lots=0.4))
    assert [(each.kind, each.lots) for each in bench.reports()] == [("filled", 0.2)]
    if restart:
        bench.again()
    for _ in range(5):
        bench.desk.reconcile()
    assert [(each.kind, each.lots) for each in bench.reports()] == [("filled", 0.2)]
    assert bench.desk.n_open == 0
    assert sum(each.volume for each in bench.positions) == pytest.approx(0.4)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("code", [10012, 10011, 0])
def test_a_timeout_with_a_fill_behind_it_is_found(make: Make, code: int, restart: bool) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "misanswer", code),))
    bench.desk.receive(intent("k1"))
    assert bench.kinds() == ["unknown"]
    if restart:
        bench.again()
    bench.seconds += 60
    bench.desk.reconcile()
    assert bench.kinds() == ["filled"]
    assert len(bench.positions) == 1


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("comment", ["", "k", "broker's own words"])
def test_a_lost_answer_is_found_though_the_broker_rewrote_the_comment(make: Make, comment: str, restart: bool) -> None:
    bench = make(path_of(1.1, 1.1), faults=(Fault(2, "lose_reply", comment=comment),))
    bench.desk.receive(intent("k0", lots=0.3))  # another order of the same strategy is not taken for it
    bench.desk.receive(intent("k1"))
    assert bench.kinds() == ["filled", "unknown"]
    if restart:
        bench.again()
    bench.seconds += 60
    bench.desk.reconcile()
    assert [(each.kind, each.key, each.lots) for each in bench.reports()] == [("filled", "k1", 0.1)]
    assert bench.desk.n_open == 0


def test_a_close_whose_comment_was_rewritten_is_told_once(make: Make) -> None:
    bench = make(path_of(1.1, 1.2), faults=(Fault(2, "rewrite", comment="closed by server"),))
    bench.desk.receive(intent("k1", lots=0.4))
    (opened,) = bench.reports()
    bench.desk.receive(intent("k2", side=-1, lots=0.2, position=opened.position))
    bench.desk.reconcile()
    assert [(each.kind, each.key, each.lots) for each in bench.reports()] == [("filled", "k2", 0.2)]


def test_a_deal_that_shows_after_one_with_a_higher_number_is_not_missed(make: Make) -> None:
    bench = make(path_of(1.1, 1.1), faults=(Fault(2, "hide", looks=3),))
    bench.desk.receive(intent("k1", lots=0.2))
    (held,) = bench.positions
    bench.reports()
    bench.close_by_hand(held.ticket, 0.1)  # its deal is hidden for a while
    bench.desk.receive(intent("k2"))
    bench.desk.reconcile()
    assert bench.kinds() == ["filled"]
    for _ in range(3):
        bench.desk.reconcile()
    assert [(each.kind, each.key, each.lots) for each in bench.reports()] == [("closed", "k1", 0.1)]


def test_a_person_s_close_is_told_with_our_magic_number_even_to_a_new_spool(make: Make, tmp_path: Path) -> None:
    bench = make(path_of(1.1, 1.1))
    bench.desk.receive(intent("k1"))
    (held,) = bench.positions
    bench.again(tmp_path / "another")
    bench.desk.reconcile()
    bench.reports()
    bench.close_by_hand(held.ticket, 0.1)
    bench.desk.reconcile()
    (closed,) = bench.reports()
    assert (closed.kind, closed.magic, closed.position) == ("closed", 77, held.identifier)


def test_two_positions_closed_by_one_another_are_both_told(make: Make) -> None:
    bench = make(path_of(1.1, 1.1))
    bench.desk.receive(intent("k1", lots=0.3))
    bench.desk.receive(intent("k2", side=-1, lots=0.1))
    first, second = bench.positions
    bench.reports()
    result = bench.terminal.order_send({"action": 10, "position": first.ticket, "position_by": second.ticket})
    assert result is not None
    assert result.retcode == 10009
    bench.desk.reconcile()
    found = {each.key: (each.kind, each.lots, each.magic) for each in bench.reports()}
    assert found == {"k1": ("closed", 0.1, 77), "k2": ("closed", 0.1, 77)}
    assert [each.volume for each in bench.positions] == [pytest.approx(0.2)]


def test_a_stop_of_a_netting_position_that_turned_names_the_same_position(make: Make) -> None:
    bench = make(path_of(1.1, 1.2), hedging=False)
    bench.desk.receive(intent("k1", lots=0.1))
    bench.desk.receive(intent("k2", side=-1, lots=0.2, stop_loss=1.15))
    (held,) = bench.positions
    assert held.ticket != held.identifier
    bench.step()
    bench.desk.reconcile()
    first, turned, stopped = bench.reports()
    assert stopped.kind == "closed"
    assert first.position == turned.position == stopped.position == held.identifier
