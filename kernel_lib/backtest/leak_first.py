"""The automatic leak check of a strategy's decision, when it is first replayed.

Features, and evaluators of the user's own, are checked where they are made (:mod:`kernel_lib.features.captured`); a
decision that reads arrays of its cell, such as a model's answers over the whole history, is checked here.
"""

import inspect
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from kernel_lib.features.captured import captured, require_no_look_ahead, skipped, times_among
from kernel_lib.strategy import Strategy
from kernel_lib.strategy.compose import compose

__all__ = ["check_first_use", "unchecked_notes"]

_ROWS = 200


def check_first_use(strategy: Strategy) -> None:
    """Refuse a decision that reads data of its cell ahead of the tick; a decision that reads none costs nothing.

    Raises
    ------
    BadData
        Names the function, its file or cell, line and column.
    """
    if type(strategy.decide).__module__.startswith("kernel_lib.") or not captured(strategy.decide):
        return
    rows = np.random.default_rng(1).normal(0.0, 1.0, (_ROWS, 1 + len(compose(strategy).places)))
    labels = [
        name if column == 0 else f"{name}_{output}"
        for name, each in strategy.features.items()
        for column, output in enumerate(each.outputs)
    ]
    times = times_among(strategy.decide, _ROWS) or [10**9 * at for at in range(_ROWS)]
    flat = SimpleNamespace(exposure=0.0, lots=0.0, entry_price=np.nan, profit=0.0, open_time_ns=0, equity=10_000.0)
    params = SimpleNamespace(**strategy.params)

    def over(decide: Any) -> Iterator[Sequence[float]]:
        for at in range(_ROWS):
            mid = 1.1 + 1e-4 * float(rows[at, 0])
            shown = {label: float(rows[at, place % rows.shape[1]]) for place, label in enumerate(labels)}
            x = SimpleNamespace(**shown, bid=mid - 5e-5, ask=mid + 5e-5, mid=mid, spread=1e-4, time_ns=times[at])
            yield (float(decide(x, flat, params)),)

    try:
        text = inspect.getsource(strategy.decide)
    except (OSError, TypeError):
        text = strategy.source
    require_no_look_ahead(strategy.decide, over, called=strategy.name, text=text)


def unchecked_notes(strategy: Strategy | None) -> tuple[str, ...]:
    """Say which parts of a strategy read data and were let through unchecked; for the report."""
    if strategy is None:
        return ()
    names = {strategy.name, *(each.name for each in strategy.features.values())}
    names |= {
        f"{type(each.evaluator).__name__}.evaluate" for each in strategy.features.values() if hasattr(each, "evaluator")
    }
    found = sorted(names & set(skipped))
    if not found:
        return ()
    return (f"Not checked for leaks, because somebody said so: {', '.join(found)}. The figures may know the future.",)
