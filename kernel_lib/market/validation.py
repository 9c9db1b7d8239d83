"""Which ticks may enter: the basic rules, with the name of the rule that a refused tick broke.

The rules, in the order they are asked (the first one broken names the refusal):

==================  =====================================================================
``not_finite``      bid or ask is NaN or infinite
``not_positive``    bid or ask is zero or negative
``crossed``         bid is above ask
``from_the_future`` time is later than ``now_ns`` plus a tolerance
``out_of_order``    time is before the last accepted tick's
``repeated``        time, bid and ask are the last accepted tick's
==================  =====================================================================

A refused tick leaves no trace in the carried state, so one bad tick cannot condemn the next good one.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.market.tick import TICK, Ticks

__all__ = ["RULES", "Validator", "ValidatorConfig", "Verdict"]

RULES = ("not_finite", "not_positive", "crossed", "from_the_future", "out_of_order", "repeated")
"""Every rule's name; a refused tick carries one of them."""

_NOT_FINITE, _NOT_POSITIVE, _CROSSED, _FUTURE, _OUT_OF_ORDER, _REPEATED = range(1, 7)
_NEVER = np.iinfo(np.int64).min


class ValidatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How strict the basic rules are.

    Parameters
    ----------
    future_tolerance_ns : int
        How far ahead of ``now_ns`` a tick may be, nanoseconds; clocks of two machines differ.
    """

    future_tolerance_ns: int = 2_000_000_000


class Verdict(msgspec.Struct, frozen=True):
    """What became of a block of ticks.

    Parameters
    ----------
    accepted : ndarray of TICK
        The ticks that broke no rule, in order; the block itself when all of them did.
    refused : ndarray of int64
        Indexes into the block of the ticks that were refused.
    rules : tuple of str
        For each refused index, the rule it broke.
    """

    accepted: Ticks
    refused: npt.NDArray[np.int64]
    rules: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Refused ticks by rule; rules that refused nothing are absent."""
        counts: dict[str, int] = {}
        for rule in self.rules:
            counts[rule] = counts.get(rule, 0) + 1
        return counts


class Validator:
    """Checks one symbol's ticks, block after block, however the sequence is cut into blocks.

    Parameters
    ----------
    config : ValidatorConfig
        Tolerances.
    last : numpy record of TICK or None
        The last accepted tick of an earlier run, to go on after it.

    Attributes
    ----------
    counts : dict of str to int
        Refused ticks by rule since the start.
    n_accepted : int
        Accepted ticks since the start.

    >>> from kernel_lib.market.tick import make_ticks
    >>> verdict = Validator().check(make_ticks([1, 2, 2], [1.1, 1.3, 1.1], [1.2, 1.2, 1.2]))
    >>> len(verdict.accepted), verdict.rules
    (2, ('crossed',))
    """

    def __init__(self, config: ValidatorConfig | None = None, *, last: np.void | None = None) -> None:
        self.config = config or ValidatorConfig()
        self.counts: dict[str, int] = dict.fromkeys(RULES, 0)
        self.n_accepted = 0
        self._last_time = _NEVER
        self._last_bid = np.nan
        self._last_ask = np.nan
        if last is not None:
            self._remember(last)

    def check(self, ticks: Ticks, now_ns: int | None = None) -> Verdict:
        """Sort a block into accepted and refused ticks.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n_ticks,)
            The next ticks of this symbol.
        now_ns : int or None
            The clock, UTC nanoseconds; None leaves out ``from_the_future`` (recorded data).
        """
        if ticks.dtype != TICK or ticks.ndim != 1:
            raise TypeError(f"ticks must be a one-dimensional array of dtype TICK, it was {ticks.dtype} {ticks.shape}")
        if ticks.shape[0] == 0:
            return Verdict(accepted=ticks, refused=np.empty(0, np.int64), rules=())
        code = self._codes(ticks, now_ns)
        refused = np.flatnonzero(code)
        accepted = ticks[code == 0] if refused.size else ticks
        if accepted.shape[0]:
            self._remember(accepted[-1])
            self.n_accepted += accepted.shape[0]
        rules = tuple(RULES[each - 1] for each in code[refused].tolist())
        for rule in rules:
            self.counts[rule] += 1
        return Verdict(accepted=accepted, refused=refused.astype(np.int64), rules=rules)

    def _codes(self, ticks: Ticks, now_ns: int | None) -> npt.NDArray[np.int8]:
        """Give 0 for an accepted tick, else one plus the rule's place in :data:`RULES`."""
        time, bid, ask = ticks["time_ns"], ticks["bid"], ticks["ask"]
        code = np.zeros(time.shape[0], dtype=np.int8)
        # NaN fails every comparison, so this one expression is the fast path's whole price check.
        sound = (bid > 0.0) & (bid <= ask) & (ask < np.inf)
        if now_ns is not None:
            latest = min(now_ns + self.config.future_tolerance_ns, np.iinfo(np.int64).max)
            sound &= time <= latest
        if not sound.all():
            code[ask < bid] = _CROSSED
            if now_ns is not None:
                code[(time > latest) & (code == 0)] = _FUTURE
            code[(bid <= 0.0) | (ask <= 0.0)] = _NOT_POSITIVE
            code[~(np.isfinite(bid) & np.isfinite(ask))] = _NOT_FINITE
        kept = np.flatnonzero(code == 0) if not sound.all() else None
        if kept is not None:
            time, bid, ask = time[kept], bid[kept], ask[kept]
        if time.shape[0] == 0:
            return code
        # Accepted times never fall, so the last accepted time before a tick is the running maximum.
        before = np.empty_like(time)
        before[0] = self._last_time
        np.maximum(np.maximum.accumulate(time)[:-1], self._last_time, out=before[1:])
        late = time < before
        if late.any():
            late_at = np.flatnonzero(late)
            code[late_at if kept is None else kept[late_at]] = _OUT_OF_ORDER
            in_order = np.flatnonzero(~late)
            kept = in_order if kept is None else kept[in_order]
            time, bid, ask = time[in_order], bid[in_order], ask[in_order]
        if time.shape[0] == 0:
            return code
        # A run of equal ticks equals its first, the accepted one, so comparing neighbours is enough.
        same = np.empty(time.shape[0], dtype=bool)
        same[0] = time[0] == self._last_time and bid[0] == self._last_bid and ask[0] == self._last_ask
        same[1:] = (time[1:] == time[:-1]) & (bid[1:] == bid[:-1]) & (ask[1:] == ask[:-1])
        if same.any():
            same_at = np.flatnonzero(same)
            code[same_at if kept is None else kept[same_at]] = _REPEATED
        return code

    def _remember(self, tick: np.void) -> None:
        self._last_time = int(tick["time_ns"])
        self._last_bid = float(tick["bid"])
        self._last_ask = float(tick["ask"])
