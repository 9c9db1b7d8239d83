"""What goes wrong, and when: a short list that a test or a demo hands to the simulated terminal."""

from typing import Literal

import msgspec

__all__ = ["Fault", "FaultScript"]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault of ``order_send``.

    Parameters
    ----------
    nth : int
        The call it strikes, from 1.
    kind : str
        ``lose_reply`` (executed, but the answer is lost), ``lose_request`` (never arrived, and the answer is the same
        nothing), ``retcode`` (refused with ``retcode``), ``misanswer`` (executed, but the answer is ``retcode`` with
        neither deal nor price, as a timeout with a fill behind it), ``partial`` (half of the lots is filled, the rest
        cancelled), ``rewrite`` (executed, the comment replaced by ``comment``), ``hide`` (done, but neither deal nor
        position shows yet), ``in_parts`` (done in two deals, the second shows later), ``place`` (10008, filled
        later), ``place_reject`` (10008, rejected later).
    retcode : int
        For ``retcode`` and ``misanswer``: 10004 requote, 10006 reject, 10012 timeout, ...
    comment : str
        For ``rewrite`` and ``lose_reply``: what the broker writes instead; ``=`` leaves it.
    looks : int
        Later means: after so many looks at the account's deals.
    """

    nth: int
    kind: Literal[
        "lose_reply", "lose_request", "retcode", "misanswer", "partial", "rewrite", "hide", "in_parts", "place",
        "place_reject",
    ]  # fmt: skip
    retcode: int = 0
    comment: str = "="
    looks: int = 2


class FaultScript:
    """Counts the calls and names the fault of each, if any."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._faults = {fault.nth: fault for fault in faults}
        self.n_calls = 0

    def next(self) -> Fault | None:
        self.n_calls += 1
        return self._faults.get(self.n_calls)
