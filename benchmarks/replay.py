"""Replay of the moving-average cross with full bookkeeping, beside two peers that give the same orders and fills."""

from benchmarks import cross, hftbacktest_peer, nautilus
from benchmarks.market import walk
from benchmarks.result import Figure, Outcome

__all__ = ["measure"]

_FAST, _SLOW = 100, 500


def measure(quick: bool) -> Outcome:
    """Ticks a second on one core; a peer that gives other orders or fill prices fails the benchmark."""
    n_ticks = 100_000 if quick else 500_000
    rounds = 3 if quick else 8
    ticks = walk(n_ticks)
    outcome = Outcome()
    ours = cross.fastest(ticks, _FAST, _SLOW, 5)
    hft = None
    # In turns, so that a busy moment of the machine meets both.
    for _ in range(rounds):
        again = cross.fastest(ticks, _FAST, _SLOW, 5)
        ours = min(ours, again, key=lambda each: each.seconds)
        if hftbacktest_peer.installed():
            found = hftbacktest_peer.run(ticks, _FAST, _SLOW, 1)
            hft = found if hft is None or found.seconds < hft.seconds else hft
    speed = n_ticks / ours.seconds
    figure = Figure(name="replay, EMA 100/500", value=speed, unit="ticks/s", goal=15e6)
    outcome.figures.append(figure)
    same = f"same {ours.orders:,} orders and fill prices"
    if hft is None:
        outcome.figures.append(_versus(speed, "hftbacktest: not installed", None, 4.0))
    else:
        outcome.failures += cross.differences("hftbacktest", ours, hft)
        outcome.figures.append(
            _versus(speed, f"{hftbacktest_peer.installed()}, {same}", n_ticks / hft.seconds, 4.0)
        )  # fmt: skip
    if not nautilus.installed():
        outcome.figures.append(
            _versus(speed, "NautilusTrader: not installed (python -m benchmarks --install-peers)", None, 100.0)
        )
        return outcome
    part = ticks[: 20_000 if quick else 100_000]
    ours_there = cross.fastest(part, _FAST, _SLOW, 5)
    theirs = nautilus.run(part, _FAST, _SLOW, 1 if quick else 3)
    outcome.failures += cross.differences("NautilusTrader", ours_there, theirs)
    name = f"{nautilus.installed()}, Python strategy, same {theirs.orders:,} orders and fill prices"
    outcome.figures.append(_versus(speed, name, len(part) / theirs.seconds, 100.0))
    return outcome


def _versus(speed: float, peer: str, peer_speed: float | None, goal: float) -> Figure:
    name = f"replay, times {peer.split(maxsplit=1)[0].rstrip(':,')}"
    return Figure(name=name, value=speed, unit="ticks/s", peer=peer, peer_value=peer_speed, goal=goal, of="ratio")
