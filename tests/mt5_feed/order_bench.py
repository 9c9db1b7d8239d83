"""An order desk at a simulated terminal whose ticks a test writes, and intents for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.wire import OrderIntent, Report
from mt5_feed.orders import OrderDesk, OrderDeskConfig
from mt5_feed.spool import SpoolConfig
from tests.mt5_feed.running import terminal

START_NS = 1_704_700_800_000_000_000  # Monday 2024-01-08 08:00 UTC


def path_of(*bids: float) -> Ticks:
    """One tick a second at these bids, the ask one pip above."""
    return make_ticks(
        [START_NS + 10**9 * at for at in range(len(bids))], bids, [round(bid + 0.0001, 5) for bid in bids]
    )


def intent(key: str, side: int = 1, lots: float = 0.1, **more: Any) -> OrderIntent:
    return OrderIntent(key=key, agent="demo", magic=77, symbol="EURUSD", side=side, lots=lots, **more)


class Bench:
    """An order desk at a simulated terminal, without link or clock."""

    def __init__(self, folder: Path, ticks: Ticks, **settings: Any) -> None:
        self.folder = folder
        self.terminal = terminal(ticks, chunk=1, **settings)
        self.terminal.symbol_select("EURUSD", True)
        self.seconds = 0.0
        self.open()
        self.step()
        self.desk.reconcile()

    def open(self, login: int = 0) -> None:
        self.desk = OrderDesk(
            self.terminal, "demo", "EET", self.folder, server_ms=self.server_ms, config=OrderDeskConfig(),
            spool=SpoolConfig(), monotonic_s=lambda: self.seconds, login=login,
        )  # fmt: skip
        self.sent = 0
        self.desk.lane.welcome(0)

    def again(self, folder: Path | None = None, *, login: int = 0) -> None:
        """End the desk and begin another one, which reports what the first did not get rid of."""
        self.desk.lane.close()
        self.folder = folder or self.folder
        self.open(login)
        if not login:
            self.reports()

    def close_by_hand(self, ticket: int, lots: float, *, side: int = -1) -> None:
        request = {
            "action": 1, "symbol": "EURUSD", "volume": lots, "type": 0 if side > 0 else 1, "type_filling": 1,
            "position": ticket,
        }  # fmt: skip
        result = self.terminal.order_send(request)
        assert result is not None
        assert result.retcode == 10009

    def server_ms(self) -> int:
        tick = self.terminal.symbol_info_tick("EURUSD")
        return 0 if tick is None else int(tick.time_msc)

    def step(self) -> None:
        self.terminal.copy_ticks_from("EURUSD", 0, 1, -1)

    def reports(self) -> list[Report]:
        found = []
        while (each := self.desk.lane.next()) is not None:
            found.append(self.desk.message(*each))
        return found

    def kinds(self) -> list[str]:
        return [each.kind for each in self.reports()]

    @property
    def positions(self) -> tuple[Any, ...]:
        found = self.terminal.positions_get()
        assert found is not None
        return found


Make = Callable[..., Bench]
