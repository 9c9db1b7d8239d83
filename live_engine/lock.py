"""One writer at a time: a lock on a file of the home, gone with the process that holds it."""

import fcntl
import time
from pathlib import Path
from typing import IO

from kernel_lib.errors import Misconfigured

__all__ = ["hold_lock"]

_WAIT_S = 10.0


def hold_lock(path: Path, what: str, wait_s: float = _WAIT_S) -> IO[bytes]:
    """Take the lock and keep it while the returned file lives; waits a little, for an earlier life may just be ending.

    Raises
    ------
    Misconfigured
        Another process holds it.
    """
    file = open(path, "ab")  # noqa: SIM115  (held for the life of the process)
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until:
                file.close()
                raise Misconfigured(f"{what} runs already on this home; stop it first ({path})") from None
            time.sleep(0.05)
        else:
            return file
