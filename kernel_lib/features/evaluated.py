"""Features that Python evaluates when a bar closes: a model's prediction, the agents' votes.

What is slow never sits on the tick path. Such a feature names the features that it reads; they are compiled into the
step like any other. When its bar closes, the step stops between features and decision, Python evaluates, and the
answer stands until the next bar closes. Backtest, replay and live stop at the same places.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kernel_lib.errors import BadData
from kernel_lib.features.captured import require_no_look_ahead, times_among
from kernel_lib.features.feature import Feature

__all__ = ["DECIMALS", "Evaluated", "Evaluator"]

#: Answers are rounded to so many decimals, so that a batch and a single row agree on every machine.
DECIMALS = 6


class Evaluator(Protocol):
    """What answers one row; the same rows in the same order must get the same answers."""

    def evaluate(self, row: npt.NDArray[np.float64], seen: Any) -> Sequence[float]:
        """Answer one row.

        Parameters
        ----------
        row : ndarray of float64, shape (n_inputs,)
            What it reads, in order; NaN where it is not warm.
        seen : Seen
            Time and quote of the tick that closed the bar, the strategy's own ``position`` then, and what became of its
            orders, ``traded``.

        Returns
        -------
        sequence of float
            One number for each output; NaN for no answer.
        """

    def state(self) -> bytes:
        """Give what it remembers from row to row; empty for nothing."""

    def restore(self, state: bytes) -> None:
        """Take back what :meth:`state` gave."""


def _nothing(state: Any, bar: Any) -> None:
    """The update of an evaluated feature: its value comes from the evaluator."""


class Evaluated(Feature):
    """A feature whose value an :class:`Evaluator` gives when a bar closes.

    Parameters
    ----------
    name, params : as in Feature
    evaluator : Evaluator
    inputs : mapping of str to Feature, or to a pair of Feature and the name of one of its outputs
        What it reads; the first output where none is named. All are compiled into the strategy's step.
    outputs : tuple of str
        Names of what it gives.
    bars : str
        Length of the bars at whose close it is evaluated.
    files : mapping of str to bytes
        What a passport must carry for it, by name: a model's bundle.

    Attributes
    ----------
    beginning : bytes
        What the evaluator remembered when the feature was made; every run begins there.

    Raises
    ------
    BadData
        No bars, no inputs, an input that is evaluated itself, or an evaluator of the user's own that reads data of its
        cell ahead of the row, see :mod:`~kernel_lib.features.captured`.
    """

    __slots__ = ("beginning", "columns", "evaluator", "files", "inputs")

    def __init__(
        self,
        name: str,
        params: Mapping[str, Any],
        evaluator: Evaluator,
        inputs: Mapping[str, Feature | tuple[Feature, str]],
        *,
        outputs: tuple[str, ...],
        bars: str,
        files: Mapping[str, bytes] | None = None,
        doc: str = "",
    ) -> None:
        if not inputs:
            raise BadData(f"{name} must read at least one feature, it was given none")
        pairs = {label: each if isinstance(each, tuple) else (each, each.outputs[0]) for label, each in inputs.items()}
        for label, (each, output) in pairs.items():
            if isinstance(each, Evaluated):
                raise BadData(f"{name} must read compiled features; {label} is evaluated itself")
            if output not in each.outputs:
                raise BadData(f"{label}: {each!r} gives {', '.join(each.outputs)}, not {output!r}")
        warmup = 1 + max(each.warmup for each, _ in pairs.values())
        super().__init__(
            name, params, _nothing, np.zeros(len(outputs)), warmup=warmup, bars=bars, outputs=outputs, doc=doc
        )  # fmt: skip
        self.evaluator = evaluator
        self.beginning = evaluator.state()
        self.inputs = {label: each for label, (each, _) in pairs.items()}
        self.columns = np.array([each.outputs.index(output) for each, output in pairs.values()], dtype=np.int64)
        self.files = dict(files or {})
        self._check_look_ahead()

    def answer(self, row: npt.NDArray[np.float64], seen: Any) -> npt.NDArray[np.float64]:
        """Ask the evaluator, check the shape of its answer, and round it."""
        answer = np.asarray(self.evaluator.evaluate(row, seen), dtype=np.float64)
        if answer.shape != (len(self.outputs),):
            raise BadData(f"{self!r} must give {len(self.outputs)} numbers, it gave shape {answer.shape}")
        return np.round(answer, DECIMALS) + 0.0  # without negative zero

    def _check_look_ahead(self) -> None:
        # The platform's own evaluators read what they are given; one of the user's is run on rows that mean nothing.
        if type(self.evaluator).__module__.startswith("kernel_lib."):
            return
        rows = np.random.default_rng(1).normal(size=(150, len(self.inputs)))
        flat = SimpleNamespace(exposure=0.0, lots=0.0, entry_price=np.nan, profit=0.0, open_time_ns=0, equity=10_000.0)
        idle = SimpleNamespace(fills=0, rejected=0, closed=0, won=0, gained=0.0, lost=0.0, slippage_points=np.nan,
                               expected_slippage_points=np.nan)  # fmt: skip
        times = times_among(self.evaluator.evaluate, len(rows)) or [60 * 10**9 * at for at in range(len(rows))]

        def over(evaluate: Any) -> Iterator[Sequence[float]]:
            evaluate.__self__.restore(self.beginning)
            for row, time_ns in zip(rows, times, strict=True):
                seen = SimpleNamespace(time_ns=time_ns, bid=1.1, ask=1.1001, position=flat, traded=idle)
                yield [float(number) for number in evaluate(row, seen)]

        kind = type(self.evaluator)
        try:
            text = inspect.getsource(kind)
        except (OSError, TypeError):
            text = repr(kind)
        require_no_look_ahead(self.evaluator.evaluate, over, called=f"{kind.__name__}.evaluate", text=text)
        self.evaluator.restore(self.beginning)

    def __call__(self, series: Any, other: Any = None) -> Any:
        """Refuse: an evaluated feature needs the strategy's step; a replay shows it."""
        raise BadData(
            f"{self!r} is evaluated inside a strategy's step; use it in @strategy(features=...), or run the model or "
            "the agents over a table of features"
        )
