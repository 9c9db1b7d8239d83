"""The agent's configuration: a TOML file, flags above it, and the token from a file or the environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kernel_lib.config import Home, Secret
from kernel_lib.errors import Misconfigured

__all__ = ["AgentConfig", "read_config", "read_token"]


_NAME = re.compile(r"[A-Za-z0-9._#+-]{1,64}")


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One agent beside one terminal.

    Parameters
    ----------
    name : str
        The agent's name; its token is for this name.
    bridge : str
        ``ws://`` or ``wss://`` address of the bridge.
    symbols : tuple of str
        The broker's names of what is read and traded.
    token_file : str
        File with the token; empty means the environment variable ``TICKHUB_AGENT_TOKEN``.
    spool : str
        Directory of the spool; empty means ``spool/<name>`` below the home.
    spool_bytes : int
        Most bytes of unsent ticks on disk.
    server_zone : str
        Zone of the broker's server clock.
    poll_ms : float
        Pause between two polls that found nothing, milliseconds.
    block_ticks : int
        Most ticks per block.
    account_s : float
        Seconds between account states.
    silent_s : float
        A terminal that answers nothing for so long is connected to anew, seconds.
    terminal : str
        Path of ``terminal64.exe``; empty finds the installed one.
    simulate : str
        Empty for the real terminal; ``generator``, or a file of ticks, for the simulated one.
    speed : float or str
        Market seconds per second of the simulated terminal, or ``max``.
    hedging : bool
        Kind of the simulated account.
    balance : float
        Opening deposit of the simulated account, in ``currency``.
    seed : int
        Of the generator and the account.
    days : int
        Trading days that the generator makes.
    exit_at_end : bool
        End once the recording has ended and everything is acknowledged.
    """

    name: str = "demo"
    bridge: str = "ws://127.0.0.1:8001"
    symbols: tuple[str, ...] = ("EURUSD",)
    token_file: str = ""
    spool: str = ""
    spool_bytes: int = 2 << 30
    server_zone: str = "EET"
    poll_ms: float = 2.0
    block_ticks: int = 1024
    account_s: float = 1.0
    silent_s: float = 5.0
    terminal: str = ""
    simulate: str = ""
    speed: float | str = 1.0
    hedging: bool = True
    balance: float = 10_000.0
    currency: str = "USD"
    leverage: int = 100
    commission_per_lot: float = 0.0
    seed: int = 0
    days: int = 5
    exit_at_end: bool = False

    def __post_init__(self) -> None:
        if not self.symbols or not all(self.symbols):
            raise Misconfigured("an agent must have a symbol to read; give --symbol")
        for given in (self.name, *self.symbols):
            if not _NAME.fullmatch(given):
                raise Misconfigured(
                    f"names of agents and symbols must be 1 to 64 letters, digits or one of ._#+-, one was {given!r}"
                )
        if not 1 <= self.block_ticks <= 8192:
            raise Misconfigured(f"block_ticks must be 1 to 8192, it was {self.block_ticks}")
        if not (self.poll_ms > 0 and self.account_s > 0 and self.silent_s > 0):
            raise Misconfigured("poll_ms, account_s and silent_s must be positive")
        if self.speed_factor is not None and not self.speed_factor > 0:
            raise Misconfigured(f"speed must be a positive number or 'max', it was {self.speed!r}")

    @property
    def speed_factor(self) -> float | None:
        """The number, or None for "max"."""
        if self.speed == "max":
            return None
        try:
            return float(self.speed)
        except ValueError:
            raise Misconfigured(f"speed must be a positive number or 'max', it was {self.speed!r}") from None

    def spool_folder(self, home: Home) -> Path:
        return Path(self.spool) if self.spool else home / f"spool/{self.name}"


def read_config(path: Path | None, flags: Mapping[str, Any]) -> AgentConfig:
    """Read the file, if any, and put the flags that were given above it.

    Raises
    ------
    Misconfigured
        The file cannot be read, or holds an unknown name or a wrong type.
    """
    settings: dict[str, Any] = {}
    try:
        if path is not None:
            settings = msgspec.toml.decode(path.read_bytes())
        settings |= {name: given for name, given in flags.items() if given not in (None, ())}
        return msgspec.convert(settings, AgentConfig)
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(f"the agent's configuration must be readable and known: {error}") from error


def read_token(config: AgentConfig, environ: Mapping[str, str]) -> Secret:
    """Read the token; it is never taken from the command line, where every process sees it."""
    if config.token_file:
        try:
            text = Path(config.token_file).read_text().strip()
        except OSError as error:
            raise Misconfigured(f"the token must be readable: {error}") from error
    else:
        text = environ.get("TICKHUB_AGENT_TOKEN", "").strip()
    if not text:
        raise Misconfigured(
            "an agent must have a token: set token_file or TICKHUB_AGENT_TOKEN; 'tickhub agent' makes one"
        )
    return Secret(text)
