"""RSI reversion: buy what fell too far, sell what rose too far, leave at the middle."""

from kernel_lib import features as f
from kernel_lib.strategy import FixedLots, strategy

__all__ = ["rsi_reversion"]


@strategy(
    on="1m",
    features=lambda p: {"rsi": f.rsi(p.window, bars="1m"), "width": f.spread()},
    params={"window": 14, "low": 30.0, "high": 70.0, "stop_points": 150, "target_points": 200, "max_spread": 0.0005},
    stop_loss_points="stop_points",
    take_profit_points="target_points",
    sizing=FixedLots(0.1),
)
def rsi_reversion(x, position, p):  # type: ignore[no-untyped-def]
    """Fade extremes of the one-minute RSI, with a stop, a target, and an exit at 50."""
    if position.exposure == 0.0:
        if x.width > p.max_spread:
            return 0.0
        if x.rsi < p.low:
            return 1.0
        if x.rsi > p.high:
            return -1.0
        return 0.0
    if position.exposure > 0.0 and x.rsi > 50.0:
        return 0.0
    if position.exposure < 0.0 and x.rsi < 50.0:
        return 0.0
    return position.exposure
