"""Keeps idle processors from going to sleep while ticks come thick and orders may be sent.

Between two ticks a millisecond apart an idle processor sleeps, a virtual one goes back to its host, and an order takes
twice as long. Linux takes the wish that they look for work instead through ``/dev/cpu_dma_latency`` (PM QoS, see
``Documentation/power/pm_qos_interface.rst``): it holds for the whole machine, for as long as the file is open. Programs
that have work lose nothing by it, but the machine uses its processors whole; and ticks that come slowly gain little,
for the caches are cold by then. So the wish is for the minutes in which the market moves.
"""

import logging
import os
import time
from pathlib import Path

__all__ = ["DEVICE", "Awake"]

DEVICE = Path("/dev/cpu_dma_latency")
_NO_LATENCY = bytes(4)  # an int32 of microseconds
_LEAST_PER_S = 100.0
_WINDOW_S = 0.2
_log = logging.getLogger("tickhub.desk")


class Awake:
    """The wish, while ticks come thick; nothing where it may not be made.

    Parameters
    ----------
    device : Path
    least_per_s : float
        So often a tick must come.
    window_s : float
        Over which that is counted.
    """

    def __init__(
        self, device: Path = DEVICE, *, least_per_s: float = _LEAST_PER_S, window_s: float = _WINDOW_S
    ) -> None:
        self._device = device
        self._least_per_s = least_per_s
        self._window_s = window_s
        self._file: int | None = None
        self._refused = False
        self._n_ticked = 0
        self._since_s = time.monotonic()

    @property
    def held(self) -> bool:
        """Whether the wish stands."""
        return self._file is not None

    def look(self, *, ticked: bool) -> None:
        """Say whether a tick came since the last look; at the end of each window the wish is made or taken back."""
        self._n_ticked += ticked
        passed_s = time.monotonic() - self._since_s
        if passed_s < self._window_s:
            return
        thick = self._n_ticked >= self._least_per_s * passed_s
        self._n_ticked, self._since_s = 0, self._since_s + passed_s
        if not thick:
            self.close()
        elif self._file is None and not self._refused:
            self._hold()

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
