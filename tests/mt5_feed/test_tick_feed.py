"""The feed at a terminal whose market is the present one: first ticks, silence, age, and whose clock is right."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kernel_lib.errors import Transient
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.wire import TickBlock
from mt5_feed.simulator import SimulatedTerminal, SimulatorConfig
from mt5_feed.spool import SpoolConfig
from mt5_feed.terminal import TICK_DTYPE
from mt5_feed.tick_feed import TickFeed

START_NS = 1_704_700_800_000_000_000  # Monday 2024-01-08 08:00 UTC
SECOND = 10**9


def every_second(n_ticks: int) -> Ticks:
    bids = [1.1 + at * 1e-5 for at in range(n_ticks)]
    return make_ticks([START_NS + SECOND * at for at in range(n_ticks)], bids, [bid + 1e-4 for bid in bids])


class Present:
    """A feed at a terminal whose market plays second by second, and clocks that follow it."""

    def __init__(
        self, folder: Path, *, n_ticks: int = 100, zone: str = "EET", block_ticks: int = 100,
        kind: type[SimulatedTerminal] = SimulatedTerminal,
    ) -> None:  # fmt: skip
        self.seconds = 0
        self.off_ns = self.waited_ns = 0
        self.terminal = kind(
            {"EURUSD": every_second(n_ticks)}, SimulatorConfig(speed=1.0),
            monotonic_ns=lambda: self.seconds * SECOND,
        )  # fmt: skip
        self.terminal.initialize()
        self.terminal.symbol_select("EURUSD", True)
        self.feed = TickFeed(
            self.terminal, "demo", ("EURUSD",), zone, folder, block_ticks=block_ticks, start_ns=None,
            spool=SpoolConfig(), market=True, now_ns=lambda: self.now_ns + self.waited_ns,
            platform_ns=lambda: self.now_ns + self.off_ns, monotonic_s=lambda: float(self.seconds),
        )  # fmt: skip
        self.feed.lane.welcome(0)

    @property
    def now_ns(self) -> int:
        return START_NS + self.seconds * SECOND

    def live(self, seconds: int) -> None:
        """Poll twice a second: once to find nothing, once to find the second's tick."""
        for _ in range(seconds):
            self.seconds += 1
            self.feed.poll()
            self.feed.poll()

    def sent(self) -> list[TickBlock]:
        found = []
        while (each := self.feed.lane.next()) is not None:
            found.append(self.feed.message(*each))
        return found


Make = Callable[..., Present]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Present] = []

    def build(**fields: Any) -> Present:
        made.append(Present(tmp_path, **fields))
        return made[-1]

    yield build
    for each in made:
        each.feed.lane.close()


def ages_s(blocks: list[TickBlock]) -> list[float]:
    """How old each block's newest tick is said to be."""
    return [(each.terminal_ns - int(each.array()["time_ns"][-1])) / SECOND for each in blocks]


class SilentAtFirst(SimulatedTerminal):
    """Has no newest tick for three questions, as after a symbol was put into the market watch, but has history."""

    quiet = 3

    def symbol_info_tick(self, symbol: str) -> Any:
        found = super().symbol_info_tick(symbol)
        self.quiet -= 1
        return found._replace(time=0, time_msc=0, bid=0.0, ask=0.0) if self.quiet >= 0 and found else found


def test_a_symbol_without_a_tick_yet_is_not_read_from_1970_on(make: Make) -> None:
    site = make(kind=SilentAtFirst)
    site.seconds = 19
    assert [site.feed.poll() for _ in range(3)] == [0, 0, 0]
    site.feed.poll()
    assert [each.array()["time_ns"].tolist() for each in site.sent()] == [[START_NS + 18 * SECOND]]


def test_what_waited_while_the_link_was_down_is_told_as_old(make: Make) -> None:
    site = make()
    site.live(2)
    site.waited_ns = 3_600 * SECOND
    assert ages_s(site.sent()) == [3_601.0, 3_600.0]
    site.live(1)
    assert ages_s(site.sent()) == [0.0]


def test_what_waited_in_the_terminal_is_told_as_old(make: Make) -> None:
    site = make(block_ticks=4)
    site.live(1)
    site.sent()
    site.seconds += 30
    site.feed.poll()
    assert ages_s(site.sent()) == [26.0]


def test_a_server_clock_by_another_zone_is_noticed_and_forgiven_when_it_is_right(make: Make) -> None:
    site = make(zone="UTC")  # the simulated server's is EET: two hours ahead
    site.live(4)
    assert "+2.0 h away" in site.feed.clock_fault
    site.off_ns = 7_200 * SECOND
    site.live(4)
    assert site.feed.clock_fault == ""


def test_an_hour_s_jump_of_the_server_s_clock_is_noticed(make: Make) -> None:
    site = make()
    site.live(4)
    assert site.feed.clock_fault == ""
    site.off_ns = -3_600 * SECOND
    site.live(4)
    assert "+1.0 h away" in site.feed.clock_fault


def test_a_symbol_taken_out_of_the_market_watch_is_put_back_and_nothing_is_lost(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    site = make()
    site.live(3)
    site.terminal.symbol_select("EURUSD", False)
    site.live(3)
    times = np.concatenate([each.array()["time_ns"] for each in site.sent()])
    assert np.diff(times).tolist() == [SECOND] * (len(times) - 1)
    assert len(times) >= 5
    assert capsys.readouterr().out.count("ticks_wait_in_the_terminal") == 1


def test_a_symbol_that_vanished_is_told_once_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = SimulatedTerminal({"EURUSD": every_second(50), "GBPUSD": every_second(50)}, SimulatorConfig(chunk=1))
    made.initialize()
    for symbol in ("EURUSD", "GBPUSD"):
        made.symbol_select(symbol, True)
    feed = TickFeed(
        made, "demo", ("EURUSD", "GBPUSD"), "EET", tmp_path, block_ticks=100, start_ns=0, spool=SpoolConfig()
    )
    del made.contracts["EURUSD"]
    assert sum(feed.poll() for _ in range(20)) > 10
    assert capsys.readouterr().out.count("ticks_wait_in_the_terminal") == 1
    feed.lane.close()


def test_ticks_of_other_fields_are_not_taken_for_none(make: Make) -> None:
    site = make()
    site.live(1)
    cursor = site.feed._cursors["EURUSD"]
    assert cursor is not None
    site.terminal.copy_ticks_from = lambda *a: np.zeros(3, TICK_DTYPE.descr[:4])  # type: ignore[method-assign]
    with pytest.raises(Transient, match="must have the fields"):
        cursor.read(10)
    site.terminal.copy_ticks_from = lambda *a: np.zeros(0)  # type: ignore[method-assign]
    assert len(cursor.read(10)[0]) == 0
