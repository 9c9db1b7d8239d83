"""The agent beside one terminal: ticks out, orders in. ``python -m mt5_feed.agent --config FILE.toml``.

One thread does everything, because each call into a real terminal holds the whole interpreter: orders are executed
the moment they arrive, between two reads of ticks.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import structlog

from kernel_lib.config import Home, Secret
from kernel_lib.errors import Misconfigured, TickhubError, Transient
from kernel_lib.market.instrument import Instrument
from kernel_lib.wire import AccountState, BrokerPosition, Hello, OrderIntent
from mt5_feed.agent_config import AgentConfig, read_config, read_token
from mt5_feed.agent_link import AgentLink
from mt5_feed.agent_terminal import read_instruments, start_terminal
from mt5_feed.agent_watch import WORKER, WatchConfig, Watched, beat, watch
from mt5_feed.orders import OrderDesk, OrderDeskConfig
from mt5_feed.platform_clock import PlatformClock
from mt5_feed.spool import SpoolConfig, SpoolFull
from mt5_feed.terminal import Terminal
from mt5_feed.tick_feed import TickFeed

__all__ = ["Agent", "main"]

_SYNC_S = 1.0
_BEAT_S = 0.5
_RECONCILE_S = 0.1
_RECONCILE_OPEN_S = 0.02
_SIMULATED_BACKLOG = 1 << 18
_WAKE_MS = 20_000
log = structlog.get_logger("agent")


class Agent:
    """One terminal, one account, one link.

    Parameters
    ----------
    config : AgentConfig
        What to read and where to send it.
    token : Secret
        For the bridge.
    spool : Path
        Directory of this agent's spools.
    terminal : Terminal
        Real or simulated, already initialised.
    beat : callable
        Called a few times a second while the agent works.
    """

    def __init__(
        self, config: AgentConfig, token: Secret, spool: Path, terminal: Terminal,
        beat: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.config = config
        self._beat = beat
        self.terminal = terminal
        simulated = bool(config.simulate)
        account = terminal.account_info()
        if account is None:
            code, text = terminal.last_error()
            raise Transient(f"the terminal must be logged in to an account, it told none: {code} {text}")
        self._login = int(account.login)
        self.instruments: list[Instrument] = read_instruments(terminal, config.symbols)
        self.clock = PlatformClock()
        self.ticks = TickFeed(
            terminal, config.name, config.symbols, config.server_zone, spool / "ticks", block_ticks=config.block_ticks,
            start_ns=0 if simulated else None, spool=SpoolConfig(max_bytes=config.spool_bytes), market=not simulated,
            platform_ns=self.clock.now_ns,
        )  # fmt: skip
        self.orders = OrderDesk(
            terminal, config.name, config.server_zone, spool / "reports", server_ms=lambda: self.ticks.server_ms,
            config=OrderDeskConfig(), spool=SpoolConfig(max_bytes=config.spool_bytes), login=self._login,
            now_ns=self.clock.now_ns, trouble=lambda: self.ticks.clock_fault,
        )  # fmt: skip
        self.link = AgentLink(config.bridge, token, self._hello, self.ticks, self.orders, self._execute, self.clock)
        self._account_changed = True
        self._simulated = simulated
        self._silent_since_s: float | None = None

    async def run(self) -> None:
        """Work until cancelled, or until the recording has ended where that is asked for."""
        link = asyncio.create_task(self.link.run())
        feed = asyncio.create_task(self._feed_forever())
        try:
            done, _ = await asyncio.wait((link, feed), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (link, feed):
                task.cancel()
            await asyncio.gather(link, feed, return_exceptions=True)

    def close(self) -> None:
        """Make the spools safe; call once ``run`` has ended."""
        self.ticks.lane.close()
        self.orders.lane.close()
        self.terminal.shutdown()

    async def _feed_forever(self) -> None:
        sync_at = reconcile_at = state_at = beat_at = 0.0
        while True:
            n_ticks = self.ticks.poll() if self._may_read() else 0
            if n_ticks:
                self.link.wake()
            now_s = time.monotonic()
            if now_s >= beat_at:
                beat_at = now_s + _BEAT_S
                self._beat()
            if now_s >= reconcile_at:
                reconcile_at = now_s + (_RECONCILE_OPEN_S if self.orders.n_open else _RECONCILE_S)
                self._reconcile()
            if now_s >= state_at or self._account_changed:
                state_at = now_s + self.config.account_s
                self._account_changed = False
                self._tell_account()
                if self.clock.jumped:
                    log.warning("clock_jumped", what="this PC's clock was set, or the PC slept; the bridge is asked")
                    await self.link.hang_up()
            if now_s >= sync_at:
                sync_at = now_s + _SYNC_S
                self.ticks.lane.sync()
            if not n_ticks and self.config.exit_at_end and self._ended():
                return
            await asyncio.sleep(0 if n_ticks else self.config.poll_ms / 1000)

    def _may_read(self) -> bool:
        # A recording can wait for the bridge; a market cannot, its ticks go to disk.
        return not self._simulated or self.ticks.lane.n_unacked < _SIMULATED_BACKLOG

    def _ended(self) -> bool:
        finished = bool(getattr(self.terminal, "finished", False))
        return finished and not self.ticks.lane.n_unacked and not self.orders.lane.n_unacked and not self.orders.n_open

    async def _execute(self, intent: OrderIntent) -> None:
        try:
            self.orders.receive(intent)
        except SpoolFull as error:
            # Nothing was sent, and the bridge offers it again to the next connection; or it is found by its key.
            log.error("order_not_written", key=intent.key, reason=str(error))
            raise EOFError("an order could not be written down") from error
        finally:
            self._account_changed = True

    def _reconcile(self) -> None:
        before = self.orders.lane.last
        try:
            self.orders.reconcile()
        except SpoolFull as error:
            log.error("report_not_written", reason=str(error))
        if self.orders.lane.last != before:
            self._account_changed = True
            self.link.wake()

    def _tell_account(self) -> None:
        account, positions = self.terminal.account_info(), self.terminal.positions_get()
        if account is None or positions is None:
            # Nothing is told: that nobody answers does not mean that nothing is held.
            self._wake_terminal(*self.terminal.last_error())
            return
        self._silent_since_s = None
        if account.login != self._login:
            raise Misconfigured(
                f"the terminal must stay on account {self._login}, somebody switched it to {account.login}; "
                "switch back and start the agent again"
            )
        terminal = self.terminal.terminal_info()
        self.link.send_state(
            AccountState(
                agent=self.config.name, login=int(account.login), time_ns=self.ticks.server_time_ns(),
                balance=float(account.balance), equity=float(account.equity), margin=float(account.margin),
                margin_free=float(account.margin_free),
                trade_allowed=bool(
                    account.trade_allowed and account.trade_expert and terminal is not None and terminal.trade_allowed
                    and not terminal.tradeapi_disabled and not self.ticks.clock_fault
                ),
                positions=[_position(each) for each in positions],
            )
        )  # fmt: skip

    def _wake_terminal(self, code: int, text: str) -> None:
        """Connect to the terminal anew once it has been away for a while: it was closed, or has updated itself."""
        now_s = time.monotonic()
        if self._silent_since_s is None:
            self._silent_since_s = now_s
            log.warning("terminal_silent", code=code, reason=text)
        if now_s - self._silent_since_s < self.config.silent_s:
            return
        self._silent_since_s = now_s
        places = (self.config.terminal,) if self.config.terminal else ()
        answers = self.terminal.initialize(*places, timeout=_WAKE_MS)
        log.warning("terminal_opened_again", answers=answers, error=self.terminal.last_error())

    def _hello(self) -> Hello:
        account = self.terminal.account_info()
        if account is None:
            raise EOFError("the terminal does not answer")
        return Hello(
            agent=self.config.name, login=int(account.login), server=str(account.server),
            hedging=account.margin_mode == self.terminal.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING,
            currency=str(account.currency), instruments=self.instruments, tick_seq=self.ticks.lane.last,
            report_seq=self.orders.lane.last, tick_acked=self.ticks.lane.acked,
            report_acked=self.orders.lane.acked, version="0.1.0",
        )  # fmt: skip


def _position(held: Any) -> BrokerPosition:
    return BrokerPosition(
        ticket=int(held.ticket), symbol=str(held.symbol), side=1 if held.type == 0 else -1, lots=float(held.volume),
        price=float(held.price_open), stop_loss=float(held.sl), take_profit=float(held.tp), magic=int(held.magic),
        comment=str(held.comment), profit=float(held.profit), swap=float(held.swap),
    )  # fmt: skip


async def _run_until_signalled(agent: Agent) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows has no handlers on the loop; Ctrl-C raises there
            loop.add_signal_handler(name, stop.set)
    work = asyncio.create_task(agent.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not work.done():
            work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


def _watch() -> int:
    """Be the watcher: the same program again, as a child, does the work."""
    ends: list[int] = []
    children: list[Watched] = []

    def stop(number: int, _: object) -> None:
        ends.append(number)
        for child in children:
            child.stop()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    return watch(
        [sys.executable, "-m", "mt5_feed.agent", *sys.argv[1:]], os.environ, WatchConfig(),
        began=lambda child: children.__setitem__(slice(None), [child]), stopped=lambda: bool(ends),
    )  # fmt: skip


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML file.")
@click.option("--name", help="The agent's name; its token is for this name.")
@click.option("--bridge", help="Address of the bridge, ws://host:port.")
@click.option("--symbol", "symbols", multiple=True, help="Symbol to read and trade; may be repeated.")
@click.option("--token-file", help="File with the token; otherwise TICKHUB_AGENT_TOKEN.")
@click.option("--spool", help="Directory of what is not yet sent.")
@click.option("--server-zone", help="Zone of the broker's server clock.")
@click.option("--simulate", help="A simulated terminal: a file of ticks, or 'generator'.")
@click.option("--speed", help="Market seconds per second of the simulated terminal, or 'max'.")
@click.option("--hedging/--netting", "hedging", default=None, help="Kind of the simulated account.")
@click.option("--balance", type=float, help="Opening deposit of the simulated account.")
@click.option("--commission-per-lot", type=float, help="Charged per deal by the simulated broker.")
@click.option("--seed", type=int, help="Seed of the generator and the simulated account.")
@click.option("--days", type=int, help="Trading days that the generator makes.")
@click.option(
    "--exit-at-end", is_flag=True, default=None, help="End when the recording has ended and all is acknowledged."
)
def main(path: Path | None, **flags: Any) -> None:
    """Carry one MetaTrader 5 terminal's ticks to the bridge, and orders back."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso"),
            structlog.processors.JSONRenderer(),
        ],
    )
    try:
        config = read_config(path, flags)
        token = read_token(config, os.environ)
        if not config.simulate and WORKER not in os.environ:
            sys.exit(_watch())
        folder = config.spool_folder(Home.from_environ())
        beating = beat if WORKER in os.environ else lambda: None
        agent = Agent(config, token, folder, start_terminal(config, folder), beating)
        try:
            asyncio.run(_run_until_signalled(agent))
        finally:
            agent.close()
    except TickhubError as error:
        log.error("agent_stopped", reason=str(error))
        sys.exit(75 if isinstance(error, Transient) else 78)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(prog_name="tickhub agent")
