"""Watches the agent from outside: a call that the terminal never answers holds the whole interpreter.

The package keeps the interpreter's lock while it waits on the terminal's pipe, so no thread and no timer of the agent's
own process runs then. The agent therefore works in a child of this process and writes a line a few times a second; a
child that is silent for too long is killed and started again. What it had sent is found by its key.
"""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

import msgspec
import structlog

__all__ = ["WORKER", "WatchConfig", "Watched", "beat", "watch"]

#: Set in the child's environment: it is the agent itself.
WORKER = "TICKHUB_AGENT_WORKER"
#: Exit status of an agent whose configuration cannot work: starting it again would change nothing.
MISCONFIGURED = 78
_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
_STEADY_S = 60.0
_END_S = 10.0
log = structlog.get_logger("agent.watch")


class WatchConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long an agent may be silent.

    Parameters
    ----------
    start_s : float
        Until its first line: the terminal may have to be started, and to log in.
    wedged_s : float
        Between two lines: longer than the longest call that ends by itself. A broker's timeout takes a minute and more.
    """

    start_s: float = 180.0
    wedged_s: float = 90.0


class Watched:
    """One life of the child."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], config: WatchConfig) -> None:
        self._config = config
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.process = subprocess.Popen(argv, env={**environ, WORKER: "1"}, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def wait(self) -> int | None:
        """Give its exit status, or None when it had to be killed."""
        patience_s = self._config.start_s
        while True:
            try:
                line = self._lines.get(timeout=patience_s)
            except queue.Empty:
                log.error("agent_wedged", silent_s=patience_s)
                self.process.kill()
                self._end()
                return None
            if not line:
                return self._end()
            patience_s = self._config.wedged_s

    def stop(self) -> None:
        """End it as a signal would."""
        self.process.terminate()

    def _end(self) -> int:
        try:
            status = self.process.wait(_END_S)
        except subprocess.TimeoutExpired:  # it has closed its output and does not end
            self.process.kill()
            status = self.process.wait()
        self._reader.join()
        return status

    def _read(self, stdout: IO[bytes]) -> None:
        with stdout:
            for line in stdout:
                self._lines.put(line)
        self._lines.put(b"")


def watch(
    argv: Sequence[str], environ: Mapping[str, str], config: WatchConfig, *,
    began: Callable[[Watched], None] = lambda child: None, stopped: Callable[[], bool] = lambda: False,
    pause: Callable[[float], object] = time.sleep,
) -> int:  # fmt: skip
    """Keep an agent running; give its exit status once it has ended of its own will, or was told to.

    Parameters
    ----------
    argv, environ : sequence of str, mapping
        The child's command line and environment.
    began : callable
        Takes each child as it begins.
    stopped : callable
        Whether somebody wants the end.
    """
    failures = 0
    while True:
        at_s = time.monotonic()
        child = Watched(argv, environ, config)
        began(child)
        if stopped():  # between two lives
            child.stop()
        status = child.wait()
        if stopped() or status in (0, MISCONFIGURED):
            return status or 0
        failures = 0 if time.monotonic() - at_s > _STEADY_S else failures + 1
        pause_s = _PAUSES_S[min(failures, len(_PAUSES_S) - 1)]
        log.error("agent_starts_again", status=status, in_s=pause_s)
        pause(pause_s)


def beat() -> None:
    """Say that the agent is alive; nobody may be listening."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except (OSError, ValueError):
        return
