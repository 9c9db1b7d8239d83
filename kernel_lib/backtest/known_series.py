"""A series whose values became known at some time; reading one before then is refused, not answered."""

from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData, Refused
from kernel_lib.risk.series import Floats, series

__all__ = ["KnownSeries"]

Times = npt.NDArray[np.int64]


class KnownSeries:
    """Values, what time each is about, and from when it was known: releases, revisions, news, labels.

    Parameters
    ----------
    known_ns : array_like of int, shape (n,)
        UTC nanoseconds from which each value was known.
    values : array_like of float, shape (n,)
    about_ns : array_like of int, shape (n,), or None
        What time each value is about; None: the same.
    forecast : bool
        Values may be known before the time that they are about; an actual figure never is.
    name : str
        For messages.

    Raises
    ------
    BadData
        Arrays of different lengths, times that are not whole nanoseconds, or an actual figure that was known before
        the time it is about.

    Notes
    -----
    A time may have several values, revisions of one another; at any moment the latest that was known counts.

    >>> jobs = KnownSeries([30, 60], [175.0, 210.0], about_ns=[10, 10], name="payrolls")
    >>> jobs.read(about_ns=10, now_ns=40), jobs.read(about_ns=10, now_ns=60)
    (175.0, 210.0)
    >>> jobs.read(about_ns=10, now_ns=20)
    Traceback (most recent call last):
    ...
    kernel_lib.errors.Refused: payrolls about 10 was known from 30 on, it was read at 20
    """

    def __init__(
        self, known_ns: Any, values: Any, *, about_ns: Any = None, forecast: bool = False, name: str = "series"
    ) -> None:
        known, numbers = _times(known_ns, "known_ns"), series(values, "values")
        about = known if about_ns is None else _times(about_ns, "about_ns")
        if not known.shape == numbers.shape == about.shape:
            raise BadData(
                f"{name} needs one time and one value a row, it had {len(known)} known times, {len(about)} times it is "
                f"about and {len(numbers)} values"
            )
        early = known < about
        if early.any() and not forecast:
            row = int(np.argmax(early))
            raise BadData(
                f"{name} must be known at or after the time it is about; row {row} about {about[row]} was known at "
                f"{known[row]}; a forecast says so with forecast=True"
            )
        order = np.argsort(known, kind="stable")
        self.forecast = forecast
        self.name = name
        self._known, self._about, self._values = known[order], about[order], numbers[order]

    @classmethod
    def from_frame(
        cls, frame: Any, value: str, *, known: str, about: str | None = None, forecast: bool = False
    ) -> "KnownSeries":
        """Take columns of a DataFrame; times must carry their zone, or be nanoseconds."""
        return cls(
            _column(frame, known), frame[value].to_numpy(dtype=np.float64),
            about_ns=None if about is None else _column(frame, about), forecast=forecast, name=value,
        )  # fmt: skip

    def read(self, *, about_ns: int, now_ns: int) -> float:
        """Give the latest value about a time that was known at ``now_ns``.

        Raises
        ------
        Refused
            ``not_yet_known``: it became known later.
        BadData
            No value is about that time.
        """
        rows = np.flatnonzero(self._about == about_ns)
        if not len(rows):
            raise BadData(f"{self.name} has no value about {about_ns}")
        known = rows[self._known[rows] <= now_ns]
        if not len(known):
            raise Refused(
                "not_yet_known",
                f"{self.name} about {about_ns} was known from {self._known[rows[0]]} on, it was read at {now_ns}",
            )
        return float(self._values[known[-1]])

    def latest(self, now_ns: int) -> float:
        """Give the value that became known last, at or before ``now_ns``.

        Raises
        ------
        Refused
            ``not_yet_known``: nothing was known yet.
        """
        at = int(np.searchsorted(self._known, now_ns, side="right")) - 1
        if at < 0:
            first = f"the first is known from {self._known[0]} on" if len(self) else "there is none"
            raise Refused("not_yet_known", f"{self.name} had no value at {now_ns}; {first}")
        return float(self._values[at])

    def until(self, now_ns: int) -> "KnownSeries":
        """Give the series as it was known at ``now_ns``."""
        stop = int(np.searchsorted(self._known, now_ns, side="right"))
        return KnownSeries(
            self._known[:stop], self._values[:stop], about_ns=self._about[:stop], forecast=self.forecast, name=self.name
        )

    def at_times(self, times_ns: Any) -> Floats:
        """Give the latest value known at each time, NaN before the first."""
        places = np.searchsorted(self._known, _times(times_ns, "times_ns"), side="right") - 1
        found = np.full(len(places), np.nan)
        found[places >= 0] = self._values[places[places >= 0]]
        return found

    @property
    def outside(self) -> tuple[Times, Floats]:
        """What ``replay(outside={channel: known.outside})`` takes: each value at the time it was known."""
        return self._known, self._values

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, place: Any) -> Any:
        raise Refused(
            "needs_a_time",
            f"{self.name} is read with the time of reading: .latest(now_ns), .read(about_ns=..., now_ns=...), "
            ".at_times(times_ns)",
        )

    def __repr__(self) -> str:
        if not len(self):
            return f"<KnownSeries {self.name}, empty>"
        first, last = (str(np.datetime64(int(each), "ns")) for each in (self._known[0], self._known[-1]))
        return f"<KnownSeries {self.name}: {len(self)} values, known from {first} to {last}>"


def _times(times: Any, name: str) -> Times:
    array = np.asarray(times)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise BadData(
            f"{name} must be whole nanoseconds in one dimension, they were {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.int64)


def _column(frame: Any, name: str) -> Any:
    import pandas as pd

    column = frame[name]
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC").dt.as_unit("ns").astype("int64").to_numpy()
    if column.dtype.kind == "M":
        raise BadData(f"times of column {name!r} must carry their zone; use .dt.tz_localize('UTC')")
    return column.to_numpy()
