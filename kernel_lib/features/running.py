"""A feature that runs, one update at a time, for streaming work in a notebook."""

import math

import numpy as np
from numba.core.dispatcher import Dispatcher

from kernel_lib.errors import BadData
from kernel_lib.features.update import Updated
from kernel_lib.market.bar import Bar

__all__ = ["Running"]


class Running:
    """One feature with its state; made by :meth:`Feature.start`.

    Raises
    ------
    BadData
        The feature is evaluated by a model or by agents, and needs a strategy's step.

    Attributes
    ----------
    feature : Feature
    n_updates : int
        Updates that counted so far.
    """

    __slots__ = ("_state", "feature", "n_updates")

    def __init__(self, feature: Updated) -> None:
        if not isinstance(feature.update, Dispatcher):
            raise BadData(f"{feature!r} cannot run by itself, it is evaluated inside a strategy's step")
        self.feature = feature
        self.reset()

    def update(self, seen: float | Bar, other: float = math.nan) -> float | tuple[float, ...]:
        """Take one price or bar, and give what the feature shows then.

        Parameters
        ----------
        seen : float or Bar
            A closing price, or a whole bar. One that is not finite is left out, and NaN is given.
        other : float
            What a feature such as ``f.correlation("GBPUSD")`` reads from outside; NaN while it is not known.

        Returns
        -------
        float, or tuple of float
            One number for each output, NaN until warm.
        """
        bar = seen._replace(other=other) if isinstance(seen, Bar) else _priced(seen, other)
        if not math.isfinite(bar.open + bar.high + bar.low + bar.close + bar.volume + bar.spread):
            missing = (math.nan,) * len(self.feature.outputs)
            return missing if len(missing) > 1 else math.nan
        self.feature.update(self._state, bar)
        self.n_updates += 1
        return self.value

    @property
    def value(self) -> float | tuple[float, ...]:
        """What it showed last."""
        shown = self._state[: len(self.feature.outputs)].tolist()
        return tuple(shown) if len(shown) > 1 else float(shown[0])

    @property
    def is_warm(self) -> bool:
        """Whether it has seen as many updates as it needs."""
        return self.n_updates >= self.feature.warmup

    def reset(self) -> None:
        """Begin anew."""
        self._state = self.feature.state.copy()
        self.n_updates = 0

    def snapshot(self) -> bytes:
        """Copy the state."""
        return np.int64(self.n_updates).tobytes() + self._state.tobytes()

    def restore(self, snapshot: bytes) -> None:
        """Put back what :meth:`snapshot` gave for the same feature.

        Raises
        ------
        BadData
            It is of another feature.
        """
        expected = 8 + self._state.nbytes
        if len(snapshot) != expected:
            raise BadData(f"a snapshot of {self.feature!r} must have {expected} bytes, it has {len(snapshot)}")
        self.n_updates = int(np.frombuffer(snapshot, np.int64, 1)[0])
        self._state = np.frombuffer(snapshot, np.float64, offset=8).copy()

    def __repr__(self) -> str:
        return f"<{self.feature!r} after {self.n_updates:,} updates: {self.value}>"


def _priced(price: float, other: float) -> Bar:
    price = float(price)
    return Bar(0, price, price, price, price, 1.0, 0.0, float(other))
