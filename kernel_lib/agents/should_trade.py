"""Whether to act on a consensus now."""

import math

import msgspec

from kernel_lib.agents.consensus import Consensus
from kernel_lib.agents.fundamental_analysis import minutes_ahead
from kernel_lib.agents.reading import Reading
from kernel_lib.agents.snapshot import Snapshot
from kernel_lib.declared import Declared, declared

__all__ = ["TradeRules", "Verdict", "should_trade"]


class TradeRules(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When to act.

    Parameters
    ----------
    threshold : float
        Least absolute direction.
    most_spread : float
        Spread over its median.
    stale_s : float
        Largest age of the quote, seconds.
    before_min, after_min : float
        Blackout around a release of high impact, minutes.
    needs_calendar : bool
        Whether not to act while no calendar is there to look at.
    """

    threshold: float = 0.2
    most_spread: float = 3.0
    stale_s: float = 30.0
    before_min: float = 15.0
    after_min: float = 5.0
    needs_calendar: bool = False


class Verdict(msgspec.Struct, frozen=True):
    """The answer; true where nothing speaks against it."""

    against: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.against

    def __repr__(self) -> str:
        return f"<Verdict {'trade' if self else 'do not trade: ' + '; '.join(self.against)}>"


@declared
def should_trade(said: Consensus, snapshot: Snapshot, rules: TradeRules | None = None) -> Verdict:
    """Say whether to act: all of it must hold, and what is not known does not hold.

    The absolute direction reaches its threshold and nobody vetoed; the spread is below its cap; the quote is not stale;
    a session is open; the desk's risk state is active; no release of high impact lies within the blackout.

    Parameters
    ----------
    said : Consensus
        Of this snapshot.
    snapshot : Snapshot
    rules : TradeRules

    >>> from kernel_lib.agents.consensus import agree
    >>> bool(should_trade(agree([], now_ns=0), Snapshot(time_ns=0)))
    False
    """
    rules = rules or TradeRules()
    against: list[str] = []
    if said.n_voters < said.quorum:
        against.append(f"{said.n_voters} of {said.quorum} needed agents have an opinion")
    elif not abs(said.direction) >= rules.threshold:
        against.append(f"the consensus of {said.direction:+.2f} is weaker than {rules.threshold:g}")
    if said.vetoed_by:
        against.append(f"vetoed by {', '.join(said.vetoed_by)}")
    elif said.scale == 0.0:
        against.append("the size is shrunk to nothing")
    spread, usual = snapshot.spread, snapshot.spread_median
    if not (spread >= 0.0 and usual > 0.0):
        against.append("the spread or its median is not known")
    elif spread > rules.most_spread * usual:
        against.append(f"the spread is {spread / usual:.1f} times the usual")
    age_s = None if snapshot.quality is None else snapshot.quality.age_s
    if age_s is None or not age_s <= rules.stale_s:
        against.append("the age of the quote is not known" if age_s is None or math.isnan(age_s)
                       else f"the quote is {age_s:.0f} s old")  # fmt: skip
    centres = snapshot.features.get("session")
    is_open = centres is not None and centres > 0.0 if snapshot.session_open is None else snapshot.session_open
    if not is_open:
        against.append("no session is known to be open")
    if snapshot.portfolio is None or not snapshot.portfolio.risk_active:
        against.append("the desk's risk state is not known to be active")
    ahead = minutes_ahead(Reading("should_trade", snapshot), rules.after_min)
    if ahead is None:
        if rules.needs_calendar:
            against.append("no release ahead is known")
    elif -rules.after_min <= ahead <= rules.before_min:
        against.append(f"a release is {abs(ahead):.0f} min {'ahead' if ahead >= 0.0 else 'past'}")
    return Verdict(tuple(against))
