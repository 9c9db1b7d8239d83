"""A sweep's lane that runs a few sets and then waits to be told to stop: no test has to be quicker than a sweep."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.backtest.sweep_engine import Engine, Lane

__all__ = ["WaitingLane"]

_SETS = 3


class WaitingLane(Lane):
    """Put in place of ``sweep_lanes.Lane``."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._left = _SETS

    def run(self, params: Mapping[str, Any], totals: npt.NDArray[np.void]) -> str:
        pause = threading.Event()
        while not self._left and not self.engine.halt[0]:
            pause.wait(0.001)
        self._left = max(0, self._left - 1)
        return super().run(params, totals)
