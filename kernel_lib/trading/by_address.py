"""A book's arrays by their addresses, so that one call of compiled code goes over many books.

Each array that a compiled function is given by the interpreter costs it more than its part of a tick's work.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import get_itemsize, make_array, populate_array

from kernel_lib.trading.record import (
    BOOK,
    EVENT,
    MAX_MESSAGES,
    MAX_POSITIONS,
    MAX_WORKING,
    POSITION,
    RULES,
    VIEW,
    WORKING,
    Arrays,
)

__all__ = ["ADDRESSES", "addresses_of", "array_at", "arrays_at"]

#: The fields of a record that :func:`arrays_at` reads: each array's address, and the lengths that differ.
ADDRESSES = [(name, "<i8") for name in (*Arrays._fields, "n_midnights", "n_nights", "n_rows")]
_njit: Any = njit
_intrinsic: Any = intrinsic


def addresses_of(arrays: Arrays) -> dict[str, int]:
    """Give the numbers of :data:`ADDRESSES` by name; they hold as long as the arrays do."""
    found = {name: int(array.ctypes.data) for name, array in zip(Arrays._fields, arrays, strict=True)}
    return found | {"n_midnights": len(arrays.midnights), "n_nights": len(arrays.nights), "n_rows": len(arrays.out)}


@_intrinsic
def array_at(_: Any, address: Any, n: Any, kind: Any) -> Any:
    """Give ``n`` items of a type that lie at an address; whoever made them keeps them."""
    found = types.Array(kind.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = make_array(found)(context, builder)
        item = context.get_data_type(found.dtype).as_pointer()
        width = cgutils.intp_t(get_itemsize(context, found))
        length = context.cast(builder, arguments[1], signature.args[1], types.intp)
        populate_array(
            array, data=builder.inttoptr(arguments[0], item), shape=[length], strides=[width], itemsize=width,
            meminfo=None,
        )  # fmt: skip
        return array._getvalue()

    return found(types.int64, n, kind), generate


# Taken into the caller before it is compiled: a function that counts no references gives no array back.
@_njit(inline="always", _nrt=False)
def arrays_at(row):  # type: ignore[no-untyped-def]
    """Give the arrays whose addresses are in a record with the fields of :data:`ADDRESSES`."""
    return Arrays(
        array_at(row.book, 1, BOOK),
        array_at(row.positions, MAX_POSITIONS, POSITION),
        array_at(row.working, MAX_WORKING, WORKING),
        array_at(row.messages, MAX_MESSAGES, np.int64),
        array_at(row.seen, 1, VIEW),
        array_at(row.rules, 1, RULES),
        array_at(row.midnights, row.n_midnights, np.int64),
        array_at(row.nights, row.n_nights, np.int64),
        array_at(row.out, row.n_rows, EVENT),
    )
