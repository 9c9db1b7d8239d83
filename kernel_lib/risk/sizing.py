"""How many lots: from a risk at the stop, a target of volatility, a fraction of capital, or a rule of your own.

Lots are rounded *down* to the broker's step; below the smallest lot the answer is 0, never the smallest lot, because
rounding up risks more than was asked for. :mod:`kernel_lib.strategy.sizing` holds what the compiled step uses.
"""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from kernel_lib.declared import Declared, declared
from kernel_lib.errors import BadData
from kernel_lib.market.instrument import Instrument
from kernel_lib.risk.series import number

__all__ = [
    "SizingCase",
    "custom_lots",
    "lots_at_stop",
    "lots_for_fraction",
    "lots_for_volatility",
    "round_lots",
    "volatility_scale",
]


class SizingCase(msgspec.Struct, metaclass=Declared, frozen=True, kw_only=True):
    """What a custom rule may look at.

    Parameters
    ----------
    equity : float
        Account currency.
    price : float
        At which the order would fill.
    instrument : Instrument
    profit_rate : float
        Worth of one unit of the instrument's profit currency in the account's.
    stop_distance : float
        Price distance of the stop-loss, 0 without one.
    volatility : float
        Fraction a day, NaN when unknown.
    """

    equity: float
    price: float
    instrument: Instrument
    profit_rate: float = 1.0
    stop_distance: float = 0.0
    volatility: float = math.nan

    @property
    def lot_worth(self) -> float:
        """Money in one lot, account currency."""
        return self.price * self.instrument.contract_size * self.profit_rate


@declared
def round_lots(lots: float, instrument: Instrument) -> float:
    """Round down to the lot step, to 0 below the smallest lot, to the largest above it; the sign stays.

    >>> from kernel_lib.market.instrument import EURUSD
    >>> round_lots(0.129, EURUSD), round_lots(0.009, EURUSD), round_lots(-250.0, EURUSD)
    (0.12, 0.0, -100.0)
    """
    if not math.isfinite(number(lots, "lots")):
        raise BadData(f"lots must be a finite number, they were {lots!r}")
    # 0.29 / 0.01 is 28.999999999999996; the slack is far below any lot step.
    steps = math.floor(min(abs(lots), instrument.max_lots) / instrument.lot_step + 1e-9)
    size = round(steps * instrument.lot_step, 8)
    return math.copysign(size, lots) if size >= instrument.min_lots - 1e-12 else 0.0


@declared
def lots_at_stop(case: SizingCase, fraction: float = 0.01) -> float:
    """Give the lots that lose ``fraction`` of the equity at the stop-loss.

    >>> from kernel_lib.market.instrument import EURUSD
    >>> lots_at_stop(SizingCase(equity=10_000.0, price=1.1, instrument=EURUSD, stop_distance=0.0050), 0.01)
    0.2
    """
    _checked(case)
    _share(fraction, "a risk fraction")
    if not 0.0 < number(case.stop_distance, "a stop's distance") < math.inf:
        raise BadData(f"the risk is what is lost at the stop: its distance must be above 0, was {case.stop_distance!r}")
    lost_per_lot = case.stop_distance * case.instrument.contract_size * case.profit_rate
    return round_lots(case.equity * fraction / lost_per_lot, case.instrument)


@declared
def lots_for_fraction(case: SizingCase, fraction: float) -> float:
    """Give the lots whose worth is ``fraction`` of the equity: a portfolio weight or a Kelly leverage, short negative.

    >>> from kernel_lib.market.instrument import EURUSD
    >>> lots_for_fraction(SizingCase(equity=11_000.0, price=1.1, instrument=EURUSD), -2.0)
    -0.2
    """
    _checked(case)
    if not math.isfinite(number(fraction, "a fraction")):
        raise BadData(f"a fraction must be a finite number, it was {fraction!r}")
    return round_lots(case.equity * fraction / case.lot_worth, case.instrument)


@declared
def volatility_scale(volatility: float, target: float, *, most: float = 1.0) -> float:
    """Give the leverage at which a series has the target volatility, at most ``most``.

    Both of the same span. A volatility of 0 or unknown (NaN) gives 0: what can't be measured is not scaled up.

    >>> volatility_scale(0.20, 0.10), volatility_scale(0.02, 0.10, most=3.0), volatility_scale(float("nan"), 0.1)
    (0.5, 3.0, 0.0)
    """
    if not 0.0 < number(target, "a volatility target") < math.inf:
        raise BadData(f"a volatility target must be above 0, it was {target!r}")
    if not 0.0 < number(most, "the most leverage") < math.inf:
        raise BadData(f"the most leverage must be above 0, it was {most!r}")
    if number(volatility, "a volatility") < 0.0:
        raise BadData(f"a volatility must be at least 0, it was {volatility!r}")
    return min(most, target / volatility) if volatility > 0.0 else 0.0


@declared
def lots_for_volatility(case: SizingCase, target: float, *, most: float = 10.0) -> float:
    """Give the lots with which the position moves the equity by ``target`` (a fraction a day, one deviation).

    >>> from kernel_lib.market.instrument import EURUSD
    >>> lots_for_volatility(SizingCase(equity=11_000.0, price=1.1, instrument=EURUSD, volatility=0.005), 0.01)
    0.2
    """
    return lots_for_fraction(case, volatility_scale(case.volatility, target, most=most))


@declared
def custom_lots(rule: Callable[[SizingCase], float], case: SizingCase) -> float:
    """Run a rule of your own and round what it says; what is no number is refused.

    >>> from kernel_lib.market.instrument import EURUSD
    >>> custom_lots(lambda c: c.equity / 100_000.0, SizingCase(equity=25_500.0, price=1.1, instrument=EURUSD))
    0.25
    """
    _checked(case)
    answer: Any = rule(case)
    if isinstance(answer, bool) or not isinstance(answer, int | float | np.floating | np.integer):
        raise BadData(f"a sizing rule must give lots as a number, it gave {answer!r}")
    return round_lots(float(answer), case.instrument)


def _checked(case: SizingCase) -> None:
    for name in ("equity", "price", "profit_rate"):
        given = getattr(case, name)
        if not 0.0 < number(given, name) < math.inf:
            raise BadData(f"{name} must be above 0, it was {given!r}")


def _share(fraction: float, name: str) -> None:
    if not 0.0 < number(fraction, name) <= 1.0:
        raise BadData(f"{name} must be above 0 and at most 1, it was {fraction!r}")
