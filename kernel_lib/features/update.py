"""The update of a feature: its type, how it is compiled, and what may be asked of whatever has one."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit, types

import kernel_lib.machine_code  # noqa: F401  (says where compiled code is kept)
from kernel_lib.market.bar import Bar

__all__ = ["UPDATE", "Param", "Update", "Updated", "compiled", "inlined"]

Update = Callable[[npt.NDArray[np.float64], Bar], None]
Param = int | float | str | tuple[Any, ...]

#: The type of every update: the state it may write, and the bar it reads.
UPDATE = types.void(types.float64[::1], types.NamedTuple([types.int64, *[types.float64] * 7], Bar))

#: Compile an update when it is first used, and keep the machine code on disk; importing the catalogue loads none.
compiled = njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
#: Compile a piece that several updates share.
inlined = njit(cache=True, error_model="numpy", nogil=True, forceinline=True)


class Updated(Protocol):
    """What runs, shows or draws a feature needs of it; see :class:`~kernel_lib.features.feature.Feature`."""

    name: str
    params: dict[str, Any]
    update: Update
    state: npt.NDArray[np.float64]
    outputs: tuple[str, ...]
    warmup: int
    bars: str | None
    other: str | None

    @property
    def bars_ns(self) -> int: ...
    @property
    def doc(self) -> str: ...
    def __call__(self, series: Any, other: Any = None) -> Any: ...
