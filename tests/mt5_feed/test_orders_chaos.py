"""Whatever the terminal answers and wherever the agent is killed: one order a key, and every lot of it told once."""

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel_lib.wire import OrderIntent, Report
from mt5_feed.orders import OrderDesk, OrderDeskConfig
from mt5_feed.simulator import Fault, SimulatedTerminal
from mt5_feed.spool import SpoolConfig
from tests.mt5_feed.order_bench import path_of
from tests.mt5_feed.running import terminal

KINDS = [
    "none", "lose_reply", "lose_request", "retcode", "misanswer", "partial", "rewrite", "hide", "in_parts", "place",
    "place_reject",
]  # fmt: skip
CODES = [10004, 10006, 10011, 10012, 10018, 10019, 10020, 10027, 10031, 10036, 10099]
UNCERTAIN = [10011, 10012, 10031, 10099, 0]


class Killed(Exception):
    """The agent's process ends here."""


class Chaos:
    """An agent's order desk that dies where it is told to, at a terminal that does not."""

    def __init__(
        self, folder: Path, faults: tuple[Fault, ...], deaths: dict[int, str], writes: dict[int, bool],
        hedging: bool,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.writes, self.n_writes = writes, 0
        self.terminal = terminal(path_of(*[1.1] * 3), chunk=1, faults=faults, hedging=hedging, balance=1e6)
        self.terminal.symbol_select("EURUSD", True)
        self.terminal.copy_ticks_from("EURUSD", 0, 1, -1)
        self.deaths = deaths
        self.seconds = 0.0
        self.tickets: dict[str, list[int]] = {}
        self.reports: dict[int, Report] = {}
        self._send = self.terminal.order_send
        self.terminal.order_send = self._order_send  # type: ignore[method-assign]
        self.open()

    def open(self) -> None:
        self.desk = OrderDesk(
            self.terminal, "demo", "EET", self.folder, server_ms=lambda: 0, config=OrderDeskConfig(),
            spool=SpoolConfig(segment_bytes=3000), monotonic_s=lambda: self.seconds, now_ns=self._now_ns,
        )  # fmt: skip
        self.desk.lane.welcome(max(self.reports, default=0))
        lane = self.desk.lane
        append, note = lane.append, lane.note
        lane.append = lambda payload, count=1, *, sync=False: self._write(lambda: append(payload, count, sync=sync))  # type: ignore[method-assign]
        lane.note = lambda payload: self._write(lambda: note(payload))  # type: ignore[method-assign]

    def _write(self, write: Any) -> None:
        """Die before or after a write to disk, where that was asked for."""
        self.n_writes += 1
        after = self.writes.get(self.n_writes)
        if after is False:
            raise Killed
        write()
        if after:
            raise Killed

    def _now_ns(self) -> int:
        return self.terminal.market.now_ns

    def _order_send(self, request: Any) -> Any:
        n_call = self.terminal.broker._faults.n_calls + 1
        if self.deaths.get(n_call) == "before":
            self.deaths.pop(n_call)
            raise Killed
        n_orders = len(self.terminal.book.state.orders)
        result = self._send(request)
        made = [each.ticket for each in self.terminal.book.state.orders[n_orders:]]
        self.tickets.setdefault(request["comment"], []).extend(made)
        if self.deaths.pop(n_call, "") == "after":
            raise Killed
        return result

    def alive(self, do: Any) -> None:
        """Do something; when it kills the desk, another one begins."""
        try:
            do()
        except Killed:
            self.restart()

    def restart(self) -> None:
        self.desk.lane.close()
        self.open()

    def pass_on(self) -> None:
        """What the bridge gets; half of it is acknowledged."""
        while (each := self.desk.lane.next()) is not None:
            report = self.desk.message(*each)
            self.reports[report.seq] = report
        self.desk.lane.ack(max(self.reports, default=0) - 1)

    def filled(self, key: str) -> float:
        """Lots that the broker has filled of a key's orders."""
        orders = [each for each in self.terminal.book.state.orders if each.ticket in self.tickets.get(key, [])]
        return round(sum(each.lots - each.left for each in orders), 8)

    def told(self, key: str) -> float:
        return round(sum(each.lots for each in self.reports.values() if each.key == key and each.kind == "filled"), 8)


STEP = st.tuples(
    st.sampled_from(KINDS), st.sampled_from(CODES), st.sampled_from(["=", "", "x"]), st.integers(1, 4),
    st.sampled_from(["", "", "before", "after", "later"]), st.sampled_from([1, -1]), st.sampled_from([0.0, 0.4, 0.2]),
)  # fmt: skip


@given(
    steps=st.lists(STEP, min_size=1, max_size=6), hedging=st.booleans(),
    writes=st.dictionaries(st.integers(1, 25), st.booleans(), max_size=5),
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_key_is_executed_at_most_once_and_each_lot_told_once(
    tmp_path_factory: Any, steps: list[Any], writes: dict[int, bool], hedging: bool
) -> None:
    # A terminal may not know what came of an order. One that says no to an order which it filled cannot be helped.
    faults = tuple(
        Fault(at + 1, kind, UNCERTAIN[code % 5] if kind == "misanswer" else code, comment, looks)
        for at, (kind, code, comment, looks, *_) in enumerate(steps)
        if kind != "none"
    )
    deaths = {at + 1: death for at, (*_, death, _, _) in enumerate(steps) if death in ("before", "after")}
    chaos = Chaos(tmp_path_factory.mktemp("chaos"), faults, deaths, writes, hedging)
    try:
        _run(chaos, steps)
    finally:
        chaos.desk.lane.close()


def _run(chaos: Chaos, steps: list[Any]) -> None:
    for at, (*_, death, side, closes) in enumerate(steps):
        order = OrderIntent(key=f"k{at}", agent="demo", magic=77, symbol="EURUSD", side=side, lots=0.4, closes=closes)
        chaos.alive(lambda order=order: chaos.desk.receive(order))
        again = msgspec.structs.replace(order, again=True)
        if death == "later":
            chaos.restart()
        # A strategy sends nothing while its order is on its way, so the desk comes to an end with each first.
        for turn in range(60):
            chaos.seconds += 2.0
            chaos.alive(chaos.desk.reconcile)
            chaos.pass_on()
            reported = any(each.key == order.key for each in chaos.reports.values())
            if turn > 3 and reported and not chaos.desk.n_open:
                break
            if not reported:  # so does the bridge
                chaos.alive(lambda again=again: chaos.desk.receive(again))
        assert chaos.desk.n_open == 0
    chaos.restart()
    for _ in range(6):
        chaos.alive(chaos.desk.reconcile)
    chaos.pass_on()
    for at in range(len(steps)):
        key = f"k{at}"
        ends = [each.kind for each in chaos.reports.values() if each.key == key and each.kind in ("filled", "rejected")]
        assert len(chaos.tickets.get(key, [])) <= 1
        assert chaos.told(key) == chaos.filled(key)
        assert ends, f"{key} came to no end"
        assert ends.count("rejected") <= 1
        assert (chaos.filled(key) == 0.4) == ("rejected" not in ends)
    assert not [each for each in chaos.reports.values() if each.kind == "closed"]


def test_the_simulated_terminal_is_what_the_chaos_rests_on(tmp_path: Path) -> None:
    made: SimulatedTerminal = terminal(path_of(1.1), chunk=1, faults=(Fault(1, "place", looks=2),))
    made.symbol_select("EURUSD", True)
    made.copy_ticks_from("EURUSD", 0, 1, -1)
    result = made.order_send({"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 1})
    assert result is not None
    assert (result.retcode, result.deal, result.order > 0) == (10008, 0, True)
    working = made.orders_get()
    assert working is not None
    assert [each.ticket for each in working] == [result.order]
    assert made.history_deals_get() == ()
    found = made.history_deals_get()
    assert found is not None
    assert [each.order for each in found] == [result.order]
    assert made.orders_get() == ()
