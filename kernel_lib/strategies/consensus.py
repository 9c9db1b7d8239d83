"""Consensus: hold what the agents agree on, as large as the careful ones among them allow."""

from kernel_lib import agents
from kernel_lib.strategy import FixedLots, strategy

__all__ = ["consensus"]


@strategy(
    on="5m",
    features={"panel": agents.consensus("pro", bars="5m")},
    params={"enter": 0.3, "leave": 0.1, "sure": 0.2, "stop_points": 200, "target_points": 400},
    stop_loss_points="stop_points",
    take_profit_points="target_points",
    sizing=FixedLots(0.1),
)
def consensus(x, position, p):  # type: ignore[no-untyped-def]
    """Follow the pro panel's consensus on five-minute bars; a veto lets nothing new in."""
    side = x.panel
    if position.exposure != 0.0:
        if side * position.exposure <= p.leave * abs(position.exposure):
            return 0.0
        return position.exposure
    if x.panel_vetoed > 0.0 or x.panel_confidence < p.sure:
        return 0.0
    if side >= p.enter:
        return x.panel_scale
    if side <= -p.enter:
        return -x.panel_scale
    return 0.0
