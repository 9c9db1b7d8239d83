"""Keeps idle processors from going to sleep while orders may be sent.

Between two ticks an idle processor sleeps, a virtual one goes back to its host, and the next order is up to twice as
late. Linux takes the wish that they look for work instead through ``/dev/cpu_dma_latency`` (PM QoS, see
``Documentation/power/pm_qos_interface.rst``): it holds for the whole machine, for as long as the file is open. Programs
that have work lose nothing by it; the machine uses its processors whole.
"""

import logging
import os
import time
from pathlib import Path

__all__ = ["DEVICE", "Awake"]

DEVICE = Path("/dev/cpu_dma_latency")
_NO_LATENCY = bytes(4)  # an int32 of microseconds
_QUIET_S = 5.0
_log = logging.getLogger("tickhub.desk")


class Awake:
    """The wish, from the first tick on until none came for some seconds; nothing where it may not be made.

    Parameters
    ----------
    device : Path
    quiet_s : float
        So long without a tick, and the processors may sleep.
    """

    def __init__(self, device: Path = DEVICE, quiet_s: float = _QUIET_S) -> None:
        self._device = device
        self._quiet_s = quiet_s
        self._file: int | None = None
        self._refused = False
        self._until_s = 0.0

    @property
    def held(self) -> bool:
        """Whether the wish stands."""
        return self._file is not None

    def look(self, *, ticked: bool) -> None:
        """Hold the wish if a tick came, take it back if none did for long enough; to be called now and then."""
        if ticked:
            self._until_s = time.monotonic() + self._quiet_s
            if self._file is None and not self._refused:
                self._hold()
        elif self._file is not None and time.monotonic() > self._until_s:
            self.close()

    def close(self) -> None:
        """Take the wish back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _hold(self) -> None:
        try:
            opened = os.open(self._device, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:  # another system, or a user who may not
            self._refuse(error)
            return
        try:
            os.write(opened, _NO_LATENCY)
        except OSError as error:
            os.close(opened)
            self._refuse(error)
            return
        self._file = opened

    def _refuse(self, error: OSError) -> None:
        self._refused = True
        _log.info("idle processors may sleep between two ticks: %s", error)
