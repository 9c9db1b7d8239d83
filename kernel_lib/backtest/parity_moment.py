"""What one run knew and answered at one tick: the values that two runs are compared by, step by step."""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.features.evaluated import Evaluated
from kernel_lib.strategy import Strategy
from kernel_lib.strategy.compose import compose

__all__ = ["Moment", "Shown", "moment_of", "state_of", "values_of"]

_EVALUATED = {"consensus": "consensus"}


class Shown(msgspec.Struct, frozen=True):
    """One value that the decision could read: ``kind`` is ``feature``, ``model`` or ``consensus``."""

    name: str
    kind: str
    number: float


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A run after one tick.

    Parameters
    ----------
    tick : int
        Its number among the ticks of the run, from 0.
    shown : list of Shown
        Features' outputs, then what models and agents answered; NaN while not warm.
    seen : dict
        What the book showed the strategy before it decided, see :data:`~kernel_lib.trading.record.VIEW`.
    answer : tuple
        Target, lot steps, stop and take distances in points, status.
    repeats : bool
        Run again up to here, it gave what it gave the first time.
    """

    tick: int
    shown: list[Shown]
    seen: dict[str, float]
    answer: tuple[float, int, int, int, int]
    repeats: bool = True


def values_of(strategy: Strategy, state: npt.NDArray[np.float64]) -> list[Shown]:
    """Name the numbers of a proposer's state: compiled features first, in their order, then evaluated ones."""
    places = compose(strategy).places
    compiled: list[Shown] = []
    evaluated: list[Shown] = []
    for name, each in strategy.features.items():
        parts = [(name, each)]
        if isinstance(each, Evaluated):
            parts = [*((f"{name}.{label}", one) for label, one in each.inputs.items()), *parts]
        for label, one in parts:
            kind = _EVALUATED.get(one.name, "model") if isinstance(one, Evaluated) else "feature"
            found = compiled if kind == "feature" else evaluated
            for column, output in enumerate(one.outputs):
                shown = label if column == 0 else f"{label}_{output}"
                found.append(Shown(shown, kind, float(state[places[label].start + column])))
    return [*compiled, *evaluated]


def state_of(strategy: Strategy, snapshot: bytes) -> npt.NDArray[np.float64] | None:
    """Take the features' state out of a proposer's snapshot; None when it is not this strategy's."""
    n_numbers = compose(strategy).state.size
    if len(snapshot) < 8 * n_numbers:
        return None
    return np.frombuffer(snapshot, np.float64, n_numbers)


def moment_of(strategy: Strategy, tick: int, state: npt.NDArray[np.float64], view: Any, answer: Any) -> Moment:
    """Put a moment together from a proposer's state, one VIEW record and its answer."""
    target, units, stop, take, status = answer
    return Moment(
        tick=tick, shown=values_of(strategy, state),
        seen={name: float(view[name]) for name in view.dtype.names},
        answer=(float(target), int(units), int(stop), int(take), int(status)),
    )  # fmt: skip
