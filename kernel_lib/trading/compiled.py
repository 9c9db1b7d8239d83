"""How the functions of the trusted half are compiled: kept on disk, without the interpreter.

They allocate nothing and keep no array beyond the call, so they count no references. To count those of the nine arrays
of a book on entry and on return would cost each of them more than its work: an order passes through a dozen.
"""

from functools import partial
from typing import Any

from numba import njit

import kernel_lib.machine_code  # noqa: F401  (says where compiled code is kept)

__all__ = ["compiled", "inlined"]

_njit: Any = njit  # numba's types leave out that references need not be counted
#: Compile a function; given no signature, when it is first called.
compiled = partial(_njit, cache=True, nogil=True, _nrt=False)
#: Compile one of the few that run at every tick: taken into the machine code of whoever calls it.
inlined = partial(_njit, cache=True, nogil=True, _nrt=False, forceinline=True)
