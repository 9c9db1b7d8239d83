"""An array of numbers, read strictly: a text is no number, even where Python would read one out of it.

``["0.01", "0.02"]`` comes out of a file that was read without types. Taken as numbers, it would hide that the same
column may hold ``"n/a"`` or ``"1,5"`` further down; so it is refused where it stands.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData

__all__ = ["numbers"]

_NONE = (str, bytes, complex, np.complexfloating, np.datetime64, np.timedelta64)


def numbers(values: Any, name: str) -> npt.NDArray[np.float64]:
    """Read a float64 array of whatever shape; None and missing values become NaN.

    Raises
    ------
    BadData
        A text, a complex number, a time or an object, with where the first stands; or rows of different lengths.

    >>> numbers([1, None], "prices").tolist()
    [1.0, nan]
    >>> numbers([0.5, "0.01"], "prices")
    Traceback (most recent call last):
    kernel_lib.errors.BadData: prices must be numbers, it was '0.01' at 1; turn it into float64 first
    """
    if values is None:
        raise BadData(f"{name} must be numbers, there were none (None)")
    try:
        # A list with one text becomes an array of texts, so a list is looked at as it is.
        given = values if isinstance(values, np.ndarray) else np.asarray(values)
        if given.dtype.kind in "fiub":
            return given.astype(np.float64)
        held = np.asarray(values, dtype=object)
        for place, each in np.ndenumerate(held):
            if isinstance(each, _NONE):
                where = "" if not place else f" at {place[0] if len(place) == 1 else place}"
                raise BadData(f"{name} must be numbers, it was {each!r}{where}; turn it into float64 first")
        return held.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise BadData(f"{name} must be numbers, it was {type(values).__name__}: {error}") from error
