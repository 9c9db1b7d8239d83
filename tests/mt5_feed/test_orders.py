"""Orders at the terminal: each intent executed once, each of the broker's answers told as what it is."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from kernel_lib.wire import AccountState, OrderIntent, decode, encode
from mt5_feed.simulator import Fault, SimulatedTerminal
from mt5_feed.spool import SpoolFull
from tests.mt5_feed.order_bench import START_NS, Make, intent, path_of
from tests.mt5_feed.running import Site, terminal, until


def test_a_market_order_is_filled_at_the_ask_and_reported_once(make: Make) -> None:
    bench = make(path_of(1.1, 1.2), commission_per_lot=3.0)
    bench.desk.receive(intent("k1", stop_loss=1.05, take_profit=1.15))
    bench.desk.receive(intent("k1"))  # the same key again: the bridge may offer it twice
    (report,) = bench.reports()
    assert (report.kind, report.key, report.price, report.lots, report.magic) == ("filled", "k1", 1.1001, 0.1, 77)
    assert report.commission == pytest.approx(-0.3)
    assert report.time_ns == START_NS
    (held,) = bench.positions
    assert (held.ticket, held.comment, held.sl, held.tp) == (report.position, "k1", 1.05, 1.15)
    bench.desk.reconcile()
    assert bench.reports() == []


def test_a_hedging_account_closes_by_ticket(make: Make) -> None:
    bench = make(path_of(1.1, 1.2))
    bench.desk.receive(intent("k1"))
    bench.desk.receive(intent("k2", side=-1))
    first, second = bench.reports()
    assert len(bench.positions) == 2
    bench.step()
    bench.desk.receive(intent("k3", side=-1, position=first.position))
    (closed,) = bench.reports()
    assert closed.kind == "filled"
    assert closed.profit == pytest.approx((1.2 - 1.1001) * 10_000)
    assert [each.ticket for each in bench.positions] == [second.position]


def test_a_netting_account_adds_reduces_and_reverses(make: Make) -> None:
    bench = make(path_of(1.1), hedging=False, balance=100_000.0)
    bench.desk.receive(intent("k1", lots=0.2))
    bench.desk.receive(intent("k2", lots=0.1))
    assert [each.volume for each in bench.positions] == [0.3]
    bench.desk.receive(intent("k3", side=-1, lots=0.1))
    assert [each.volume for each in bench.positions] == [0.2]
    bench.desk.receive(intent("k4", side=-1, lots=0.5))
    (held,) = bench.positions
    assert (held.type, held.volume) == (bench.terminal.POSITION_TYPE_SELL, 0.3)
    assert bench.kinds() == ["filled"] * 4
    deals = bench.terminal.history_deals_get()
    assert deals is not None
    assert [each.entry for each in deals] == [0, 0, 1, 2]


def test_on_a_netting_account_the_stops_are_those_of_the_last_order_that_added(make: Make) -> None:
    bench = make(path_of(1.1), hedging=False, balance=100_000.0)
    found = []
    for at, (side, lots, stop) in enumerate([(1, 0.2, 1.05), (1, 0.1, 1.06), (-1, 0.1, 0.0), (1, 0.1, 0.0)]):
        bench.desk.receive(intent(f"k{at}", side=side, lots=lots, stop_loss=stop))
        found.append(bench.positions[0].sl)
    assert found == [
        1.05,
        1.06,
        1.06,
        0.0,
    ]  # a closed part changes none, one added without takes them off


def test_a_stop_at_the_server_is_reported_as_closed_with_the_opening_key(make: Make) -> None:
    bench = make(path_of(1.1, 1.095, 1.08))
    bench.desk.receive(intent("k1", stop_loss=1.09))
    bench.reports()
    bench.step()
    bench.desk.reconcile()
    assert bench.reports() == []
    bench.step()
    bench.desk.reconcile()
    (closed,) = bench.reports()
    assert (closed.kind, closed.key, closed.price, closed.side) == ("closed", "k1", 1.08, -1)  # the gap's price
    assert closed.reason == "[sl 1.09000]"
    bench.desk.reconcile()
    assert bench.reports() == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_lost_answer_to_an_executed_order_is_found_by_key_and_not_sent_again(make: Make, restart: bool) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "lose_reply"),))
    bench.desk.receive(intent("k1"))
    assert bench.kinds() == ["unknown"]
    if restart:
        bench.desk.lane.close()
        bench.open()
        bench.reports()
    bench.desk.receive(intent("k1"))
    bench.desk.reconcile()
    assert [(each.kind, each.price) for each in bench.reports()] == [("filled", 1.1001)]
    assert len(bench.positions) == 1
    assert bench.desk.n_open == 0


@pytest.mark.parametrize("restart", [False, True])
def test_a_lost_order_that_never_arrived_is_rejected_after_a_while_and_not_sent_again(
    make: Make, restart: bool
) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "lose_request"),))
    bench.desk.receive(intent("k1"))
    assert bench.kinds() == ["unknown"]
    if restart:
        bench.desk.lane.close()
        bench.open()
        bench.reports()
    bench.desk.reconcile()
    assert bench.desk.n_open == 1
    bench.seconds += 5.1
    bench.desk.reconcile()
    (report,) = bench.reports()
    assert report.kind == "rejected"
    assert "no trace" in report.reason
    assert bench.positions == ()


def test_nothing_is_decided_while_the_terminal_is_not_connected(make: Make) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "lose_request"),))
    bench.desk.receive(intent("k1"))
    bench.terminal.connected = False
    bench.seconds += 60
    bench.desk.reconcile()
    assert bench.desk.n_open == 1


def test_a_requote_is_asked_again_and_a_third_is_an_answer(make: Make) -> None:
    requote = [Fault(nth, "retcode", 10004) for nth in (1, 3, 4, 5)]
    bench = make(path_of(1.1), faults=tuple(requote))
    bench.desk.receive(intent("k1"))
    bench.desk.receive(intent("k2"))
    assert [(each.kind, each.retcode) for each in bench.reports()] == [("filled", 10009), ("rejected", 10004)]
    assert len(bench.positions) == 1


@pytest.mark.parametrize("code", [10011, 10012, 10031, 19999])
def test_a_code_that_leaves_the_outcome_open_is_reconciled(make: Make, code: int) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "retcode", code),))
    bench.desk.receive(intent("k1"))
    assert bench.kinds() == ["unknown"]
    bench.seconds += 6
    bench.desk.reconcile()
    assert bench.kinds() == ["rejected"]


@pytest.mark.parametrize(
    ("order", "settings", "code"),
    [
        ({"lots": 0.005}, {}, 10014),
        ({"lots": 0.015}, {}, 10014),
        ({"lots": 101.0}, {}, 10014),
        ({"stop_loss": 1.2}, {}, 10016),
        ({"take_profit": 1.0}, {}, 10016),
        ({"lots": 50.0}, {}, 10019),
        ({"position": 999}, {}, 10036),
        ({}, {"trade_allowed": False}, 10027),
        ({}, {"filling_mask": 0}, 10030),
    ],
)
def test_a_broker_s_no_is_a_rejected_report_with_its_code(
    make: Make, order: dict[str, Any], settings: dict[str, Any], code: int
) -> None:
    bench = make(path_of(1.1), **settings)
    bench.desk.receive(intent("k1", **order))
    (report,) = bench.reports()
    assert (report.kind, report.retcode) == ("rejected", code)
    assert bench.positions == ()


def test_a_weekend_is_closed(make: Make) -> None:
    saturday = path_of(1.1)
    saturday["time_ns"] += 5 * 86_400 * 10**9
    bench = make(saturday)
    bench.desk.receive(intent("k1"))
    assert [each.retcode for each in bench.reports()] == [10018]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"key": "a-key-of-too-many-letters"}, "16 characters"),
        ({"side": 0}, "buy"),
        ({"lots": float("nan")}, "positive"),
        ({"closes": 0.2}, "close from 0 to its 0.1 lots"),
        ({"closes": float("nan")}, "close from 0 to its 0.1 lots"),
        ({"expires_ns": 1}, "expired"),
        ({"symbol": "GBPUSD"}, "GBPUSD"),
        ({"agent": "other"}, "agent demo"),
    ],
)
def test_an_intent_that_cannot_be_is_rejected_before_the_terminal(
    make: Make, order: dict[str, Any], reason: str
) -> None:
    bench = make(path_of(1.1))
    given = {"key": "k1", "agent": "demo", "magic": 77, "symbol": "EURUSD", "side": 1, "lots": 0.1} | order
    bench.desk.receive(OrderIntent(**given))
    (report,) = bench.reports()
    assert report.kind == "rejected"
    assert reason in report.reason
    assert bench.positions == ()


def test_nothing_is_sent_to_another_account_or_to_one_of_another_kind(make: Make) -> None:
    bench = make(path_of(1.1))
    bench.desk.receive(intent("k1", hedging=False))
    bench.again(login=1)
    bench.desk.receive(intent("k2"))
    kind, account = bench.reports()
    assert (kind.kind, account.kind) == ("rejected", "rejected")
    assert "netting" in kind.reason
    assert "account 1" in account.reason
    assert bench.positions == ()


def test_a_silent_terminal_is_neither_sent_to_nor_taken_for_flat(make: Make) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "lose_request"),))
    bench.desk.receive(intent("k1"))
    bench.terminal.silent = True
    bench.seconds += 60
    bench.desk.reconcile()
    bench.desk.receive(intent("k2"))
    bench.terminal.silent = False
    bench.desk.reconcile()
    bench.seconds += 4.9  # it has only just come back, and may not show all it knows
    bench.desk.reconcile()
    assert bench.kinds() == ["unknown", "rejected"]
    assert bench.desk.n_open == 1
    bench.seconds += 0.2
    bench.desk.reconcile()
    assert [each.key for each in bench.reports()] == ["k1"]


def test_an_order_handed_over_again_is_looked_for_before_it_is_sent(make: Make, tmp_path: Path) -> None:
    bench = make(path_of(1.1))
    bench.desk.receive(intent("k1"))
    bench.again(tmp_path / "another")  # another PC with the same name and account: it knows nothing of the first
    bench.desk.receive(intent("k1", again=True))
    bench.desk.reconcile()
    assert len(bench.positions) == 1
    bench.desk.receive(intent("k2", again=True))
    assert len(bench.positions) == 2


def test_a_report_that_found_no_room_is_made_again_and_no_deal_is_told_twice(make: Make) -> None:
    bench = make(path_of(1.1), faults=(Fault(1, "in_parts", looks=1),))
    bench.terminal.history_deals_get = lambda *a, **k: ()  # type: ignore[method-assign]
    bench.desk.receive(intent("k1", lots=0.4))
    del bench.terminal.history_deals_get  # type: ignore[method-assign]
    append, room = bench.desk.lane.append, [1, 0]

    def cramped(payload: bytes, count: int = 1, *, sync: bool = False) -> None:
        if room and not room.pop(0):
            raise SpoolFull("no room")
        append(payload, count, sync=sync)

    bench.desk.lane.append = cramped  # type: ignore[method-assign]
    with pytest.raises(SpoolFull):
        bench.desk.reconcile()
    bench.desk.reconcile()
    found = [each for each in bench.reports() if each.kind == "filled"]
    assert [each.lots for each in found] == [0.2, 0.2]
    assert len({each.deal for each in found}) == 2


def test_a_stop_out_closes_the_worst_position(make: Make) -> None:
    bench = make(path_of(1.1, 1.0), balance=1_500.0)
    bench.desk.receive(intent("k1", lots=1.0))
    bench.reports()
    bench.step()
    bench.desk.reconcile()
    (report,) = bench.reports()
    assert report.kind == "closed"
    assert report.reason.startswith("[so")


def _rows(site: Site, kind: type) -> list[Any]:
    found: Any = site.redis.client.xrange(site.streams.reports)
    return [each for each in (decode(fields[b"m"]) for _, fields in found) if isinstance(each, kind)]


async def test_an_order_goes_from_the_bus_to_the_terminal_and_its_fill_comes_back(site: Site) -> None:
    async with site.bridge():
        made = terminal(path_of(*[1.1] * 50))
        async with site.running(site.agent(made)):
            await until(lambda: site.tick_seq() == 50, "ticks are there")
            for at in range(20):
                site.redis.client.xadd(site.streams.intents, {"m": encode(intent(f"key-{at}", lots=0.01))})
            await until(lambda: len(site.reports()) == 20, "all are reported")
            await until(lambda: any(len(each.positions) == 20 for each in _rows(site, AccountState)), "account tells")
            await until(lambda: site.redis.client.hlen(site.streams.intents_open) == 1, "none is left open")
    assert [each.seq for each in site.reports()] == list(range(1, 21))
    assert {each.key for each in site.reports()} == {f"key-{at}" for at in range(20)}
    assert len(made.book.state.deals) == 20


async def test_an_order_survives_a_bridge_restart_and_is_executed_once(site: Site) -> None:
    made = terminal(path_of(*[1.1] * 50))
    async with site.bridge():
        pass
    site.redis.client.xadd(site.streams.intents, {"m": encode(intent("key-1"))})
    agent = site.agent(made)
    async with site.running(agent):
        await until(lambda: agent.ticks.n_read == 50, "ticks are read")
        for _ in range(3):
            async with site.bridge():
                connections = agent.link.n_connections
                await until(lambda c=connections: agent.link.n_connections > c, "the link is up")  # type: ignore[misc]
                await until(lambda: len(site.reports()) == 1, "it is reported")
    assert [each.kind for each in site.reports()] == ["filled"]
    assert len(made.book.state.deals) == 1


async def test_an_intent_for_an_agent_that_never_comes_is_rejected_once_when_it_expires(site: Site) -> None:
    expires_ns = time.time_ns() + 300_000_000
    site.redis.client.xadd(site.streams.intents, {"m": encode(intent("key-1", expires_ns=expires_ns))})
    site.redis.client.xadd(site.streams.intents, {"m": b"garbage"})
    async with site.bridge():
        await until(site.reports, "it is answered")
    async with site.bridge():
        await asyncio.sleep(0)
    (report,) = site.reports()
    assert (report.kind, report.key, report.origin) == ("rejected", "key-1", "bridge")
    assert "never sent" in report.reason


def test_the_simulated_account_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    first = SimulatedTerminal({"EURUSD": path_of(1.1, 1.2)}, state_path=path)
    first.initialize()
    first.symbol_select("EURUSD")
    first.copy_ticks_from("EURUSD", 0, 10, -1)
    result = first.order_send(
        {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1, "comment": "k"}
    )
    assert result is not None
    assert result.retcode == 10009
    second = SimulatedTerminal({"EURUSD": path_of(1.1, 1.2)}, state_path=path)
    second.initialize()
    held = second.positions_get()
    assert held is not None
    assert [each.comment for each in held] == ["k"]
