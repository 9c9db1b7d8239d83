"""What the platform does every night, half an hour after UTC midnight: ``python -m live_engine.nightly``.

It stays, small, and starts :mod:`live_engine.parity_night` as a program of its own, whose log it shares. A comparison
that finds a gap, or fails, is told there; this goes on.
"""

import logging
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import click

from live_engine.logs import set_up_logs

__all__ = ["main", "seconds_to_next"]

#: So that the last reports of the day have come.
_AFTER_MIDNIGHT_S = 1_800
_DAY_S = 86_400
_LONGEST_S = 4 * 3_600
_LAST_WORDS_S = 30.0
_log = logging.getLogger("tickhub.nightly")


def seconds_to_next(now_s: float) -> float:
    """Give the seconds from a time (since 1970) to the next half past midnight, UTC, above 0.

    >>> seconds_to_next(0.0), seconds_to_next(1800.0), seconds_to_next(86_400.0 + 1799.0)
    (1800.0, 86400.0, 1.0)
    """
    return _DAY_S - (now_s - _AFTER_MIDNIGHT_S) % _DAY_S


def _ended(program: "subprocess.Popen[bytes]") -> int:
    program.terminate()
    try:
        return program.wait(_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        program.kill()
        return program.wait()


@click.command()
@click.option("--trusted", is_flag=True, help="The strategies' code is trusted: run it where nothing can isolate it.")
def main(trusted: bool) -> None:
    """Compare every desk's day with its backtest, every night."""
    set_up_logs(program="nightly")
    stopped = threading.Event()

    def stop(*_: Any) -> None:
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not stopped.wait(seconds_to_next(time.time())):
        argv = [sys.executable, "-m", "live_engine.parity_night", *(["--trusted"] if trusted else [])]
        program = subprocess.Popen(argv)
        deadline = time.monotonic() + _LONGEST_S
        while program.poll() is None and not stopped.wait(1.0):
            if time.monotonic() > deadline:
                _log.error("the night's comparison must end in time, it did not", extra={"longest_s": _LONGEST_S})
                break
        status = _ended(program)
        (_log.info if status == 0 else _log.error)("night compared", extra={"status": status})


if __name__ == "__main__":
    main()
