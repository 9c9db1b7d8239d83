"""The shape of a feature: one small compiled update over its own slice of state.

A feature is defined once, as ``update(state, bar) -> None``, and is the same machine code in a notebook, in a
backtest and live. Its state is a slice of float64 whose first ``len(outputs)`` numbers are what it shows; the
rest is its own. All outputs are NaN until it is warm.

A row of which a price is missing (NaN or infinite) never reaches an update: live such a quote is refused at the
edge, and over recorded data the row shows NaN and is left out, as if it had not come. So a hole in the data cannot
poison what follows.

To add one: a file with a function that returns a :class:`Feature`, and a line in ``features/catalogue.py``.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.update import UPDATE, Param, Update, compiled, inlined
from kernel_lib.market.bar import bar_length_ns, bar_length_text

if TYPE_CHECKING:
    from kernel_lib.features.running import Running

__all__ = ["UPDATE", "Feature", "Param", "channel", "compiled", "inlined", "length_s", "positive", "whole"]


class Feature:
    """One feature with its parameters, not yet running.

    Parameters
    ----------
    name : str
        As in the catalogue, ``"ema"``.
    params : mapping of str to number, str or tuple
        For its repr, which makes it again, and for a passport.
    update : compiled function
        ``update(state, bar)``.
    state : array_like of float, shape (n,)
        Initial state; ``outputs`` come first.
    outputs : tuple of str
        Names of what it shows; the first is the feature's own value.
    warmup : int
        Number of updates after which all outputs are numbers.
    bars : str or None
        Length of the bars that it is updated with; None: on ticks.
    other : str or None
        The outside channel that it reads as ``bar.other``, such as another instrument's symbol; None: it reads none.
    doc : str
        What it is for; empty: the docstring of the function that makes it.
    """

    __slots__ = ("_doc", "bars", "name", "other", "outputs", "params", "state", "update", "warmup")

    def __init__(
        self,
        name: str,
        params: Mapping[str, Param],
        update: Update,
        state: npt.ArrayLike,
        *,
        warmup: int,
        bars: str | None,
        outputs: tuple[str, ...] = ("value",),
        other: str | None = None,
        doc: str = "",
    ) -> None:
        self.name = name
        self.params = dict(params)
        self.update = update
        self.state = np.array(state, dtype=np.float64)
        self.state[: len(outputs)] = np.nan
        self.state.setflags(write=False)
        self.outputs = outputs
        self.warmup = warmup
        self.bars = None if bars is None else bar_length_text(bar_length_ns(bars))
        self.other = other
        self._doc = doc

    @property
    def bars_ns(self) -> int:
        """Bar length in nanoseconds, 0 on ticks."""
        return 0 if self.bars is None else bar_length_ns(self.bars)

    @property
    def doc(self) -> str:
        """The whole docstring, with the formula and its source."""
        maker = getattr(sys.modules.get(self.update.__module__), self.name, None)
        return self._doc or getattr(maker, "__doc__", None) or ""

    def __repr__(self) -> str:
        inside = [f"{name}={_text(param)}" for name, param in self.params.items()]
        if self.bars is not None:
            inside.append(f"bars={self.bars!r}")
        return f"{self.name}({', '.join(inside)})"

    def to_source(self) -> str:
        """Give the line that makes it again after ``from kernel_lib import features as f``.

        One of your own is made by its own name, where it is defined.

        >>> from kernel_lib import features as f
        >>> f.ema(12, bars="1m").to_source()
        "f.ema(span=12, bars='1m')"
        """
        return f"f.{self!r}" if self.update.__module__.startswith("kernel_lib.") else repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Feature) and repr(self) == repr(other) and self.update is other.update

    def __hash__(self) -> int:
        return hash(repr(self))

    def __call__(self, series: Any, other: Any = None) -> Any:
        """Run the feature over recorded data, as it runs live.

        Parameters
        ----------
        series : array of TICK or BAR, pandas Series or DataFrame, Arrow array or table, or array_like of float
            Plain numbers are taken as closing prices. A table needs a ``close`` column (``open``, ``high``, ``low``,
            ``volume`` and ``spread`` are used where they are there), or ``bid`` and ``ask``, and may carry its times as
            its index or as a column ``time_ns`` (or ``time``). A feature with a bar length that is given ticks forms
            the bars as the step does and shows, for each tick, what a decision at that tick would see.
        other : array of TICK or BAR, pandas Series, (times_ns, values), or array_like of float, shape (n,), optional
            What a feature such as ``f.correlation("GBPUSD", 50)`` reads from outside. With times (TICK, BAR, a Series
            with a DatetimeIndex, a pair of times and values) each row sees the last value known at its own time, or at
            the close of its bar; never a later one. Without times it must have one number for each row.

        Returns
        -------
        ndarray or dict of ndarray, shape (n,)
            One array, or one for each output where there are several, NaN until warm: with fewer rows than
            ``warmup`` all are NaN. pandas gives a Series or DataFrame with the same index, Arrow gives Arrow.

        Raises
        ------
        BadData
            The series has no recognised shape, dtype or column; times go back, or are there twice in bars; time
            zones are mixed; ``other`` is missing, is not asked for, or cannot be put beside the rows.

        >>> from kernel_lib import features as f
        >>> f.sma(2)([1.0, 2.0, 4.0]).tolist()
        [nan, 1.5, 3.0]
        """
        from kernel_lib.features.over import run_over

        return run_over(self, series, other)

    def start(self) -> "Running":
        """Begin to run update by update, as river and TA-Lib's streams do; the machine code is the same.

        >>> from kernel_lib import features as f
        >>> average = f.sma(2).start()
        >>> average.update(1.0), average.update(2.0)
        (nan, 1.5)
        """
        from kernel_lib.features.running import Running

        return Running(self)

    def plot(self, series: Any, other: Any = None, ax: Any = None) -> Any:
        """Draw the outputs over recorded data; gives the matplotlib axes.

        Parameters
        ----------
        series, other
            As for calling the feature.
        ax : matplotlib axes, optional
            Where to draw; None makes a new figure.
        """
        from kernel_lib.features.show import plot

        return plot(self, series, other, ax)

    def _repr_html_(self) -> str:
        from kernel_lib.features.show import html

        return html(self)


def _text(param: Param) -> str:
    if isinstance(param, tuple):
        return f"({', '.join(map(_text, param))}{',' if len(param) == 1 else ''})"
    if isinstance(param, float):
        short = f"{param:g}"
        return short if float(short) == param else repr(float(param))
    return repr(param)


def whole(name: str, number: float, least: int = 1, most: int = 100_000) -> int:
    """Check a window length: a whole number from ``least`` to ``most``."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not least <= number <= most:
        raise BadData(f"{name} must be a whole number from {least} to {most}, it was {number!r}")
    return int(number)


def positive(name: str, number: float) -> float:
    """Check a factor: finite and above zero."""
    if isinstance(number, bool) or not isinstance(number, int | float | np.number):
        raise BadData(f"{name} must be a positive number, it was {number!r}")
    if not np.isfinite(number) or number <= 0:
        raise BadData(f"{name} must be a positive number, it was {number!r}")
    return float(number)


def channel(name: str, text: str) -> str:
    """Check the name of an outside channel, such as ``"GBPUSD"`` or ``"news:EURUSD"``."""
    if not isinstance(text, str) or not text or not text.isprintable() or len(text) > 100:
        raise BadData(f"{name} must be the name of an outside channel such as 'GBPUSD', it was {text!r}")
    return text


def length_s(bars: str | None) -> float:
    """Give a bar's length in seconds, 0 on ticks: what lies between a bar's time and the moment that it is known."""
    return 0.0 if bars is None else bar_length_ns(bars) * 1e-9
