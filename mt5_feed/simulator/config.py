"""How a simulated terminal is set up: its account, its server, its pace and its faults."""

import msgspec

from mt5_feed.simulator.faults import Fault

__all__ = ["SimulatorConfig"]

_FOK_AND_IOC = 1 | 2


class SimulatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The account and its server.

    Parameters
    ----------
    speed : float or None
        Market seconds per second; None is "max".
    chunk : int
        Ticks that each poll sees at "max".
    hedging : bool
        Hedging account, or netting.
    balance : float
        Opening deposit in ``currency``.
    leverage : int
        1:leverage.
    commission_per_lot : float
        Per deal, account currency.
    server_zone : str
        Zone of the server's clock.
    trade_allowed : bool
        The AutoTrading button.
    instant : bool
        Instant execution (price and deviation count) instead of market execution.
    filling_mask : int
        Filling modes the symbols allow: 1 FOK, 2 IOC.
    seed : int
        Of the account's numbering.
    """

    speed: float | None = None
    chunk: int = 1024
    hedging: bool = True
    balance: float = 10_000.0
    currency: str = "USD"
    leverage: int = 100
    commission_per_lot: float = 0.0
    server_zone: str = "EET"
    trade_allowed: bool = True
    instant: bool = False
    filling_mask: int = _FOK_AND_IOC
    seed: int = 0
    login: int = 5_000_001
    server: str = "Simulated-Demo"
    faults: tuple[Fault, ...] = ()
