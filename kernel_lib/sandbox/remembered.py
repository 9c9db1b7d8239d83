"""Sandboxes that outlive the program that started them, written down so that whoever stops the platform finds them.

A notebook server goes on while the hub restarts, so its hub does not end it on the way down. ``tickhub down`` does,
after all programs have stopped, by the files that were kept here: also of servers whose hub was killed.
"""

import contextlib
import time
from pathlib import Path

import msgspec

from kernel_lib.errors import TickhubError
from kernel_lib.sandbox.process import SandboxProcess, adopt

__all__ = ["end_remembered", "forget", "remember"]


def remember(process: SandboxProcess, folder: Path, key: str) -> None:
    """Write a running sandbox down as ``folder/KEY.json``; the folder must be out of every sandbox's reach."""
    path = folder / f"{key}.json"
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(process.state()))
    fresh.chmod(0o600)
    fresh.replace(path)


def forget(folder: Path, key: str) -> None:
    """Take a sandbox off the list; no error where it is not on it."""
    (folder / f"{key}.json").unlink(missing_ok=True)


def end_remembered(folder: Path, *, wait_s: float = 5.0) -> int:
    """End every sandbox that was written down, and take all off the list.

    Parameters
    ----------
    folder : Path
        As given to :func:`remember`; need not be there.
    wait_s : float
        Seconds that all of them together have to end by themselves after they were asked.

    Returns
    -------
    int
        How many still ran.
    """
    found: list[SandboxProcess] = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, TickhubError):
            process = adopt(msgspec.json.decode(path.read_bytes()))
            found.append(process)
        path.unlink(missing_ok=True)
    running = [each for each in found if each.poll() is None]
    for each in running:
        each.terminate()
    until = time.monotonic() + wait_s
    for each in running:
        each.wait(max(0.0, until - time.monotonic()))
    for each in found:
        each.remove()
    return len(running)
