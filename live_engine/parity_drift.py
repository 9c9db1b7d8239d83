"""Whether the features that a desk's code held had drifted from the backtest's: a feature's gap told from a decision's.

The journal has answers and no features. But the desk keeps its strategies' code every so many ticks, features and all
(:class:`~live_engine.entries.Snapshot`). Features do not hang on what was decided; so where the answers part and the
features of the next such moment are others, the decision was another because of them.
"""

import math
from typing import Any

import msgspec

from kernel_lib.backtest.parity_gap import Gap
from kernel_lib.backtest.parity_moment import Shown
from kernel_lib.errors import TickhubError
from live_engine.parity_backtest import SandboxedBacktest
from live_engine.parity_record import Lived

__all__ = ["told_from_features"]


def told_from_features(lived: Lived, gap: Gap, settings: dict[str, Any]) -> Gap:
    """Give a gap whose answers parted the cause ``feature`` or ``model``, where the desk's code held others after it.

    Parameters
    ----------
    settings : dict
        Of a :class:`~live_engine.parity_backtest.SandboxedBacktest` from the stretch's beginning.
    """
    if gap.cause != "decision" or lived.code is None or lived.code[0] <= gap.tick:
        return gap
    at, content = lived.code
    own = settings | {
        "events": [each for each in lived.events if each.tick < at], "ages_ns": lived.ages_ns[:at], "follow": (),
    }  # fmt: skip
    try:
        with SandboxedBacktest(lived.passport, lived.ticks[:at], **own) as backtest:
            ours, theirs = backtest.moment(at - 1).shown, backtest.values(content)
    except TickhubError:  # the gap is known; this would only have said more
        return gap
    found = _first_other(ours, theirs)
    if found is None:
        return gap
    one, two = found
    why = (
        f"{one.name} was {one.number!r} in the backtest, {two.number!r} in the desk when its code was next kept, "
        f"behind tick {at - 1:,}; {gap.why}"
    )
    return msgspec.structs.replace(gap, cause=one.kind, why=why)


def _first_other(ours: list[Shown], theirs: list[Shown]) -> tuple[Shown, Shown] | None:
    """Find the first feature, then model, that differs; a panel remembers what was traded, and is left out."""
    held = {each.name: each for each in theirs}
    for kind in ("feature", "model"):
        for each in ours:
            other = held.get(each.name)
            if each.kind == kind and other is not None and not _same(each.number, other.number):
                return each, other
    return None


def _same(one: float, two: float) -> bool:
    return one == two or (math.isnan(one) and math.isnan(two))
