"""How large a full exposure is; the decision says the share of it, from -1 to 1."""

import math

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.errors import Misconfigured
from kernel_lib.market.instrument import Instrument
from kernel_lib.trading.account import AccountConfig, minor_per_point_unit
from kernel_lib.trading.terms import MAX_POINTS, joined

__all__ = ["SIZING", "FixedLots", "RiskFraction", "Sizing", "make_sizing"]


class FixedLots(msgspec.Struct, frozen=True, tag="fixed_lots", forbid_unknown_fields=True):
    """Always the same size.

    Parameters
    ----------
    lots : float
        Size of exposure 1, rounded down to the lot step.
    """

    lots: float = 0.1


class RiskFraction(msgspec.Struct, frozen=True, tag="risk_fraction", forbid_unknown_fields=True):
    """As large as loses ``fraction`` of the equity at the stop-loss; needs a strategy with ``stop_loss_points``.

    Parameters
    ----------
    fraction : float
        0.01 risks one hundredth of the equity.
    """

    fraction: float = 0.01


Sizing = FixedLots | RiskFraction

#: Sizing as numbers; constant during a run.
SIZING = np.dtype(
    [
        ("by_risk", "<i8"),
        ("units", "<i8"),
        ("fraction", "<f8"),
        ("stop_points", "<i8"),  # as in a proposal: with the trailing distance in the upper half
        ("take_points", "<i8"),
        ("risk_points", "<i8"),
        ("inverse_point", "<f8"),
        ("minor_per_point_unit", "<f8"),
        ("by_price", "<i8"),
        ("lot_step", "<f8"),
        ("minor", "<f8"),
    ]
)


def make_sizing(
    sizing: Sizing,
    instrument: Instrument,
    account: AccountConfig,
    stop_points: int,
    take_points: int,
    trailing_points: int = 0,
) -> npt.NDArray[np.void]:
    """Turn a sizing and a strategy's stops into numbers.

    Raises
    ------
    Misconfigured
        Lots or fraction out of range, a negative distance, or a risk fraction without a stop-loss.
    """
    for name, points in (
        ("stop_loss_points", stop_points), ("take_profit_points", take_points), ("trailing_points", trailing_points),
    ):  # fmt: skip
        if not 0 <= points <= MAX_POINTS:
            raise Misconfigured(f"{name} must be a distance of 0 to {MAX_POINTS:,} points, it was {points}")
        if 0 < points < instrument.stops_level_points:
            raise Misconfigured(
                f"{name} must be at least the broker's {instrument.stops_level_points}, it was {points}"
            )
    table = np.zeros(1, SIZING)
    row = table[0]
    row["stop_points"], row["take_points"] = joined(stop_points, trailing_points), take_points
    row["risk_points"] = stop_points or trailing_points
    row["inverse_point"] = 10.0**instrument.digits
    row["minor_per_point_unit"], row["by_price"] = minor_per_point_unit(instrument, account)
    row["lot_step"] = instrument.lot_step
    row["minor"] = 10.0**account.digits
    if isinstance(sizing, RiskFraction):
        if not (math.isfinite(sizing.fraction) and 0.0 < sizing.fraction <= 0.5):
            raise Misconfigured(f"a risk fraction must be above 0 and at most 0.5, it was {sizing.fraction}")
        if not row["risk_points"]:
            raise Misconfigured("RiskFraction needs stop_loss_points: the risk is what is lost at the stop")
        row["by_risk"], row["fraction"] = 1, sizing.fraction
    else:
        if not (math.isfinite(sizing.lots) and sizing.lots > 0.0):
            raise Misconfigured(f"lots must be above 0, they were {sizing.lots}")
        row["units"] = math.floor(sizing.lots / instrument.lot_step + 1e-9)
    return table
