"""Which terminal the agent gets: the real one, or a simulated one over a file or a generator."""

from collections.abc import Iterable
from pathlib import Path

import structlog

from kernel_lib.errors import Misconfigured
from kernel_lib.market.instrument import Instrument
from mt5_feed.agent_config import AgentConfig
from mt5_feed.contract import contract_of
from mt5_feed.terminal import Terminal, open_terminal

__all__ = ["read_instruments", "start_terminal"]

_log = structlog.get_logger("agent")


def start_terminal(config: AgentConfig, folder: Path) -> Terminal:
    """Open what the configuration names; the simulated account is kept in ``folder`` and outlives the process."""
    if not config.simulate:
        return open_terminal(config.terminal)
    from mt5_feed.simulator import SimulatedTerminal, SimulatorConfig, generate_ticks

    if config.simulate == "generator":
        ticks = {symbol: generate_ticks(symbol, config.days, seed=config.seed) for symbol in config.symbols}
    else:
        from kernel_lib.importers import read_ticks

        if len(config.symbols) != 1:
            raise Misconfigured(f"a recording holds one symbol, {len(config.symbols)} were asked for")
        symbol = config.symbols[0]
        ticks = {symbol: read_ticks(config.simulate, symbol, server_zone=config.server_zone).ticks}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    terminal = SimulatedTerminal(
        ticks,
        SimulatorConfig(
            speed=config.speed_factor, chunk=config.block_ticks, hedging=config.hedging, balance=config.balance,
            currency=config.currency, leverage=config.leverage, commission_per_lot=config.commission_per_lot,
            server_zone=config.server_zone, seed=config.seed,
        ),
        state_path=folder / "simulated-account.json",
    )  # fmt: skip
    terminal.initialize()
    return terminal


def read_instruments(terminal: Terminal, symbols: Iterable[str]) -> list[Instrument]:
    """Put the symbols into the market watch (others do not tick) and read their contracts.

    What of a contract books will count otherwise than the broker is logged, ``contract_not_carried``, with the reason.

    Raises
    ------
    Misconfigured
        The terminal does not know a symbol.
    """
    account = terminal.account_info()
    currency = str(account.currency) if account is not None else ""
    found: list[Instrument] = []
    for symbol in symbols:
        info = terminal.symbol_info(symbol) if terminal.symbol_select(symbol, True) else None
        if info is None:
            code, text = terminal.last_error()
            raise Misconfigured(f"the terminal must know the symbol {symbol!r}, it does not: {code} {text}")
        contract, left_out = contract_of(info, currency)
        for reason in left_out:
            _log.warning("contract_not_carried", symbol=symbol, reason=reason)
        found.append(contract)
    return found
