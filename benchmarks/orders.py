"""The cost of an order: many orders, and whether the last ones cost more than the first."""

import numpy as np

from benchmarks import cross, hftbacktest_peer, nautilus
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome
from kernel_lib.trading.record import Kind

__all__ = ["measure"]

_FAST, _SLOW = 10, 20


def measure(quick: bool) -> Outcome:
    """Time per order in the last tenth of a run against the first tenth, and the rate with many orders."""
    n_ticks = 200_000 if quick else 1_000_000
    ticks = walk(n_ticks)
    runs = [cross.timed_parts(ticks, _FAST, _SLOW, 10) for _ in range(3 if quick else 9)]
    seconds = [min(each[k] for each in runs) for k in range(10)]
    events = cross.once(ticks, _FAST, _SLOW).events
    at = np.searchsorted(ticks["time_ns"], events["time_ns"][events["kind"] == int(Kind.ORDER)])
    n_orders = np.bincount(at * 10 // n_ticks, minlength=10)
    first, last = seconds[0] / n_orders[0], seconds[9] / n_orders[9]
    outcome = Outcome(notes=[
        f"EMA 10/20: {n_orders.sum():,} orders on {n_ticks:,} ticks; {first * 1e6:.2f} us of the run an order in the "
        f"first tenth, {last * 1e6:.2f} us in the last"
    ])  # fmt: skip
    outcome.figures.append(
        Figure(name="time per order, last tenth to first", value=float(last / first), unit="x", goal=1.25, best="low")
    )  # fmt: skip
    part = ticks[: min(n_ticks, 500_000)]
    ours = cross.fastest(part, _FAST, _SLOW, 9)
    peer, peer_speed = "hftbacktest: not installed", None
    if hftbacktest_peer.installed():
        theirs = hftbacktest_peer.run(part, _FAST, _SLOW, 2 if quick else 5)
        outcome.failures += cross.differences("hftbacktest", ours, theirs)
        peer, peer_speed = f"{hftbacktest_peer.installed()}, same {ours.orders:,} orders", len(part) / theirs.seconds
    outcome.figures.append(
        Figure(name="replay, EMA 10/20", value=len(part) / ours.seconds, unit="ticks/s", peer=peer,
               peer_value=peer_speed)
    )  # fmt: skip
    if nautilus.installed():
        few = ticks[: 10_000 if quick else 50_000]
        mine = cross.fastest(few, _FAST, _SLOW, 5)
        theirs = nautilus.run(few, _FAST, _SLOW, 1)
        outcome.failures += cross.differences("NautilusTrader", mine, theirs)
        outcome.figures.append(
            Figure(name="replay, EMA 10/20, short", value=len(few) / mine.seconds, unit="ticks/s",
                   peer=f"{nautilus.installed()}, same {mine.orders:,} orders", peer_value=len(few) / theirs.seconds)
        )  # fmt: skip
    return outcome
