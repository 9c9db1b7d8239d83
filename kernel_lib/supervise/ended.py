"""Why programs ended since the supervisor began: it alone sees it, a killed program's own log says nothing."""

import re
from pathlib import Path

import msgspec

__all__ = ["Ended", "ended_programs"]

_BEGAN = "supervisord started with pid"
_ENDED = re.compile(r"^(\S+ [\d:]+)\S* \w+ (exited|stopped|gave up|spawnerr): (\S+) ?\(?(.*?)\)?$")


class Ended(msgspec.Struct, frozen=True):
    """A program ended, or was given up.

    Parameters
    ----------
    at : str
        In the machine's own time, ``2026-11-22 03:53:47``.
    name : str
    how : str
        ``"exited"`` by itself or killed from outside, ``"stopped"`` by the supervisor, ``"gave up"``, ``"spawnerr"``.
    why : str
        ``"terminated by SIGKILL"``, ``"exit status 1"``.
    """

    at: str
    name: str
    how: str
    why: str


def ended_programs(log: Path) -> list[Ended]:
    """Read the supervisor's log, oldest first, from its last start on; empty where there is none."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return []
    found: list[Ended] = []
    for line in lines:
        if _BEGAN in line:
            found.clear()
        elif seen := _ENDED.match(line):
            at, how, name, why = seen.groups()
            found.append(Ended(at, name, how, why.removesuffix("; not expected").removesuffix("; expected")))
    return found
