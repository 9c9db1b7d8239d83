"""Moving-average cross: long while the fast average is above the slow one, short while it is below."""

from kernel_lib import features as f
from kernel_lib.strategy import FixedLots, strategy

__all__ = ["ma_cross"]


@strategy(
    on="tick",
    features=lambda p: {"fast": f.ema(p.fast), "slow": f.ema(p.slow)},
    params={"fast": 100, "slow": 500},
    sizing=FixedLots(0.1),
)
def ma_cross(x, position, p):  # type: ignore[no-untyped-def]
    """Follow the faster of two exponential averages of the mid price, on every tick."""
    if x.fast > x.slow:
        return 1.0
    if x.fast < x.slow:
        return -1.0
    return position.exposure
