"""Where state lives and how secrets are carried; read once, in a program's entry, and passed down."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from kernel_lib.errors import Misconfigured

__all__ = ["Home", "Ports", "Secret", "StoreUrls", "default_home"]


class Secret:
    """A string that does not show itself in logs, reprs or tracebacks; ``reveal()`` gives it.

    >>> Secret("hunter2")
    Secret('***')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type, tuple[str]]:
        raise TypeError("a Secret does not travel by pickle; pass the file it came from")


def default_home(environ: Mapping[str, str]) -> Path:
    """Give ``TICKHUB_HOME``, or the place where state lives when nobody said.

    That is ``~/.tickhub``. For root it is ``/var/lib/tickhub``, because tenants' processes run under
    their own users and cannot pass through root's home.
    """
    named = environ.get("TICKHUB_HOME")
    if named:
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/tickhub")
    return Path("~/.tickhub").expanduser()


class Home:
    """The one directory with all state, and the names in it.

    ``run`` holds sockets and process ids, ``keys`` the platform's keys and tokens, ``log`` one file a
    program, ``tenants`` the users' files, ``engine`` journals and snapshots, ``pg``/``redis``/``ticks``
    the embedded stores, ``spool`` the agent's unsent ticks.
    """

    PRIVATE = ("keys", "log", "engine", "redis", "ticks", "spool", "hub")
    PASSABLE = ("run", "tenants", "pg")

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Home":
        return cls(default_home(os.environ if environ is None else environ))

    def create(self) -> "Home":
        """Make the directories, private to this user (for root: passable, not readable, at the top).

        Raises
        ------
        Misconfigured
            The place cannot be written, or belongs to somebody else.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self.root.stat().st_uid
            if owner != os.geteuid():
                raise Misconfigured(
                    f"{self.root} must belong to the user who runs Tickhub (uid {os.geteuid()}), it belongs to uid "
                    f"{owner}; set TICKHUB_HOME to a directory of your own"
                )
            passable = 0o711 if os.geteuid() == 0 else 0o700
            self.root.chmod(passable)
            for names, mode in ((self.PRIVATE, 0o700), (self.PASSABLE, passable)):
                for name in names:
                    path = self.root / name
                    path.mkdir(mode=mode, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"state must live in a writable directory, {self.root} is not: {error}") from error
        return self

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def __repr__(self) -> str:
        return f"Home({str(self.root)!r})"


class StoreUrls(msgspec.Struct, frozen=True):
    """Where the stores answer; an empty string means the embedded engine below the home.

    ``accounts``: ``postgresql://...``; ``ticks``: ``clickhouse://...`` or ``chdb:///path``;
    ``live``: ``redis://...`` or ``unix:///path``.
    """

    accounts: str = ""
    ticks: str = ""
    live: str = ""

    @classmethod
    def from_environ(cls, home: Home, environ: Mapping[str, str]) -> "StoreUrls":
        """Read ``TICKHUB_ACCOUNTS_URL``, ``TICKHUB_TICKS_URL``, ``TICKHUB_LIVE_URL``; default to embedded."""
        return cls(
            accounts=environ.get("TICKHUB_ACCOUNTS_URL") or f"postgresql://postgres@/tickhub?host={home / 'run'}/pg",
            ticks=environ.get("TICKHUB_TICKS_URL") or f"chdb://{home / 'ticks'}",
            live=environ.get("TICKHUB_LIVE_URL") or f"unix://{home / 'run'}/redis/redis.sock",
        )


class Ports(msgspec.Struct, frozen=True):
    """TCP ports on this machine: only ``hub`` and ``bridge`` are meant for others."""

    hub: int = 8000
    bridge: int = 8001
    control: int = 8007
    bind: str = "127.0.0.1"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Ports":
        """Read ``TICKHUB_PORT``, ``TICKHUB_BRIDGE_PORT``, ``TICKHUB_CONTROL_PORT`` and ``TICKHUB_BIND``.

        Raises
        ------
        Misconfigured
            A port is no whole number from 1 to 65535.
        """
        usual, ports = cls(), []
        for name, port in (
            ("TICKHUB_PORT", usual.hub), ("TICKHUB_BRIDGE_PORT", usual.bridge), ("TICKHUB_CONTROL_PORT", usual.control),
        ):  # fmt: skip
            text = environ.get(name, str(port))
            if not text.isdecimal() or not 1 <= int(text) <= 65_535:
                raise Misconfigured(f"{name} must be a whole number from 1 to 65535, it was {text[:40]!r}")
            ports.append(int(text))
        return cls(hub=ports[0], bridge=ports[1], control=ports[2], bind=environ.get("TICKHUB_BIND", usual.bind))
