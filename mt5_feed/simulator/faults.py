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
        nothing), ``retcode`` (refused with ``retcode``), ``partial`` (half of the lots is filled).
    retcode : int
        For ``retcode``: 10004 requote, 10006 reject, 10012 timeout, ...
    """

    nth: int
    kind: Literal["lose_reply", "lose_request", "retcode", "partial"]
    retcode: int = 0


class FaultScript:
    """Counts the calls and names the fault of each, if any."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._faults = {fault.nth: fault for fault in faults}
        self.n_calls = 0

    def next(self) -> Fault | None:
        self.n_calls += 1
        return self._faults.get(self.n_calls)
