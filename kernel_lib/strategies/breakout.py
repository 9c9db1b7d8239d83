"""Breakout: enter when the price leaves the range of the last bars, sized by the risk at the stop."""

from kernel_lib import features as f
from kernel_lib.strategy import RiskFraction, strategy

__all__ = ["breakout"]


@strategy(
    on="tick",
    features=lambda p: {"range": f.donchian(p.window, bars="5m"), "atr": f.atr(14, bars="5m")},
    params={"window": 12, "margin": 0.1, "stop_points": 120, "target_points": 240},
    stop_loss_points="stop_points",
    take_profit_points="target_points",
    sizing=RiskFraction(0.005),
)
def breakout(x, position, p):  # type: ignore[no-untyped-def]
    """Go with a move that leaves the five-minute channel by a tenth of the average range."""
    if x.bid > x.range_upper + p.margin * x.atr:
        return 1.0
    if x.ask < x.range_lower - p.margin * x.atr:
        return -1.0
    return position.exposure
