"""How strict validation is, level by level: the rules' names and their numbers."""

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured
from kernel_lib.market.rules_stream import LIMITS
from kernel_lib.market.validation import RULES

__all__ = ["LEVEL_RULES", "NOTES", "Level", "QualityConfig", "level_numbers"]

Level = Literal["basic", "pro", "enterprise"]

_PRO = (*RULES, "out_of_session", "stale", "wide_spread", "spike")
#: The rules of each level, cumulative, in the order of their codes.
LEVEL_RULES: dict[Level, tuple[str, ...]] = {
    "basic": RULES,
    "pro": _PRO,
    "enterprise": (*_PRO, "volatility_bounds", "parity", "unreliable_source"),
}
#: What is noted of an accepted tick, by bit.
NOTES = ("gap", "new_level")


class QualityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How strict the rules are.

    Parameters
    ----------
    future_tolerance_ns : int
        As for the basic rules.
    window : int
        Ticks that median and deviation look back on, 16 to 4096.
    least_ticks : int
        Accepted ticks in the window before spike, spread and volatility are asked.
    stale_after_s : float
        Seconds that a quote may repeat itself.
    gap_after_s : float
        Seconds of open market without a tick after which it is a gap.
    session_grace_s : float
        Seconds that a broker may open before the calendar and close after it.
    spread_factor : float
        Multiple of the median spread.
    spike_deviations : float
        Robust deviations from the median.
    confirmations : int
        Jumps, or wide spreads, in a row that make the new state the usual one.
    volatility_deviations : float
        Deviations of a tick's move.
    volatility_ticks : int
        Ticks over which the volatility forgets.
    parity_tolerance : float
        Fraction of the price that an implied quote may be off.
    least_reliability : float
        Share of sound ticks below which a source is refused.
    reliability_ticks : int
        Ticks over which a source's record forgets.
    """

    future_tolerance_ns: int = 2_000_000_000
    window: int = 64
    least_ticks: int = 16
    stale_after_s: float = 60.0
    gap_after_s: float = 300.0
    session_grace_s: float = 300.0
    spread_factor: float = 10.0
    spike_deviations: float = 20.0
    confirmations: int = 3
    volatility_deviations: float = 20.0
    volatility_ticks: int = 256
    parity_tolerance: float = 5e-4
    least_reliability: float = 0.5
    reliability_ticks: int = 1000

    def check(self) -> None:
        """Refuse numbers out of their range.

        Raises
        ------
        Misconfigured
            The message names the field.
        """
        for name in self.__struct_fields__:
            number = getattr(self, name)
            if not (np.isfinite(number) and number > 0):
                raise Misconfigured(f"{name} must be a number above 0, it was {number!r}")
        if not 16 <= self.window <= 4096 or not 2 <= self.least_ticks <= self.window:
            raise Misconfigured(
                f"window must be 16 to 4096 ticks and least_ticks 2 to the window, they were {self.window} and "
                f"{self.least_ticks}"
            )


def level_numbers(level: Level, config: QualityConfig) -> npt.NDArray[np.void]:
    """Turn a level and its configuration into the numbers of the compiled rules.

    Raises
    ------
    Misconfigured
        No such level, or a number out of its range.
    """
    if level not in LEVEL_RULES:
        raise Misconfigured(f"a validation level must be one of {', '.join(LEVEL_RULES)}, it was {level!r}")
    config.check()
    limits = np.zeros(1, LIMITS)
    row = limits[0]
    row["level"] = list(LEVEL_RULES).index(level)
    row["stale_ns"] = round(config.stale_after_s * 1e9)
    row["gap_ns"] = round(config.gap_after_s * 1e9)
    row["grace_ns"] = round(config.session_grace_s * 1e9)
    row["volatility_decay"] = 1.0 / config.volatility_ticks
    row["reliability_decay"] = 1.0 / config.reliability_ticks
    for name in (
        "spread_factor", "spike_deviations", "volatility_deviations", "parity_tolerance",
        "least_reliability", "least_ticks", "confirmations",
    ):  # fmt: skip
        row[name] = getattr(config, name)
    return limits
