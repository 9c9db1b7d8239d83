"""A netting account has one position a symbol, so one strategy trades it there.

Of two, each would close what the other opened, and each would find the account otherwise than its own book.
"""

from collections.abc import Iterable

from kernel_lib.errors import Refused
from kernel_lib.passport import Approved

__all__ = ["require_own_position"]


def require_own_position(wanted: Approved, others: Iterable[Approved]) -> None:
    """Refuse a strategy whose position at the broker would be another's as well.

    Parameters
    ----------
    wanted : Approved
    others : iterable of Approved
        What trades for the tenant; the same passport among them does not count.

    Raises
    ------
    Refused
        ``symbol_taken``.
    """
    passport, approval = wanted.passport, wanted.approval
    if approval.mode != "mt5" or passport.account.hedging:
        return
    symbol = passport.instrument.symbol
    for other in others:
        held = other.passport
        if (
            other.approval.hash != approval.hash
            and other.approval.mode == "mt5"
            and other.approval.agent == approval.agent
            and not held.account.hedging
            and held.instrument.symbol == symbol
        ):
            raise Refused(
                "symbol_taken",
                f"on a netting account one strategy trades a symbol, and {held.name} ({other.approval.hash[:8]}) "
                f"trades {symbol} at agent {approval.agent}: reject that one and let it go flat first, or run "
                f"{passport.name} on paper, on a hedging account, or at another agent",
            )
