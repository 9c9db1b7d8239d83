"""The risk limits in force, by tier.

The defaults are one table for every tier. A tenant may tighten any of them; only the enterprise tier may loosen one.
Numbers that the compiled step enforces too (daily loss, orders a minute) come from
:class:`~kernel_lib.trading.account.RiskLimits`, and the largest position from :mod:`kernel_lib.tiers`.
"""

import math

import msgspec

from kernel_lib.declared import Declared, declared
from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.risk.shown import fraction_pct, rows_html
from kernel_lib.tiers import Tier
from kernel_lib.trading.account import RiskLimits

__all__ = ["Limits", "configured", "default_limits"]

_STEP = RiskLimits()


class Limits(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be risked; fractions are of the equity unless said otherwise.

    Parameters
    ----------
    max_lots : float or None
        Largest net position in one instrument; None: the broker's only.
    order_risk_fraction : float
        Most that one order may lose at its stop-loss.
    strategy_drawdown_fraction : float
        Of the strategy's own peak equity.
    daily_loss_fraction : float
        Of the equity at the server's midnight, for the tenant.
    total_drawdown_fraction : float
        Of the tenant's peak equity.
    value_at_risk_95_fraction, value_at_risk_99_fraction : float or None
        Most that the portfolio may have at risk in a day, with the order; None does not limit it.
    collar_pips : float
        Furthest that a price may be from the quote, unless ``collar_atr`` allows more.
    collar_atr : float
        The same in average true ranges, where one is known; the wider of the two holds.
    orders_per_minute : int
    needs_stop : bool
        Whether an entry without a stop-loss is denied: its risk is not known.
    """

    max_lots: float | None = None
    order_risk_fraction: float = 0.02
    strategy_drawdown_fraction: float = 0.10
    daily_loss_fraction: float = _STEP.daily_loss_fraction
    total_drawdown_fraction: float = 0.20
    value_at_risk_95_fraction: float | None = None
    value_at_risk_99_fraction: float | None = None
    collar_pips: float = 50.0
    collar_atr: float = 5.0
    orders_per_minute: int = _STEP.orders_per_minute
    needs_stop: bool = True

    def for_step(self) -> RiskLimits:
        """Give what the compiled step enforces of these; without a largest position its own default stays."""
        return RiskLimits(
            max_lots=_STEP.max_lots if self.max_lots is None else self.max_lots,
            daily_loss_fraction=self.daily_loss_fraction,
            orders_per_minute=self.orders_per_minute,
        )

    def _repr_html_(self) -> str:
        rows = [
            [name.replace("_fraction", "").replace("_", " "),
             fraction_pct(limit) if name.endswith("_fraction") and limit is not None else limit]
            for name, limit in msgspec.structs.asdict(self).items()
        ]  # fmt: skip
        return rows_html("Risk limits", ("limit", ""), rows)


@declared
def default_limits(held: Tier) -> Limits:
    """Give the limits of a tier before anyone changes them.

    >>> from kernel_lib.tiers import TIERS
    >>> default_limits(TIERS["free"]).max_lots, default_limits(TIERS["pro"]).order_risk_fraction
    (0.1, 0.02)
    """
    return Limits(max_lots=held.max_position_lots)


@declared
def configured(held: Tier, **changes: float | bool | None) -> Limits:
    """Change a tier's limits: tighter for everyone, looser for enterprise alone.

    Raises
    ------
    Refused
        Code ``tier``: a limit would be looser than the tier allows.
    Misconfigured
        No such limit, or a number out of its range.

    >>> from kernel_lib.tiers import TIERS
    >>> configured(TIERS["free"], order_risk_fraction=0.01).order_risk_fraction
    0.01
    """
    own = default_limits(held)
    for name, wished in changes.items():
        if name not in Limits.__struct_fields__:
            raise Misconfigured(f"there is no limit {name!r}; there are {', '.join(Limits.__struct_fields__)}")
        _check(name, wished)
        ruling = getattr(own, name)
        if held.rank < 2 and _looser(name, wished, ruling):
            raise Refused(
                "tier",
                f"the {held.name} tier may tighten {name} below {ruling}, it was {wished}; to loosen it needs the "
                "enterprise tier: ask an admin to upgrade",
            )
    return msgspec.structs.replace(own, **changes)


def _looser(name: str, wished: float | bool | None, ruling: float | bool | None) -> bool:
    if ruling is None:
        return False
    if wished is None:
        return True
    return bool(wished < ruling) if name == "needs_stop" else bool(wished > ruling)


def _check(name: str, wished: float | bool | None) -> None:
    if name == "needs_stop":
        if not isinstance(wished, bool):
            raise Misconfigured(f"needs_stop must be true or false, it was {wished!r}")
        return
    if wished is None and name in ("max_lots", "value_at_risk_95_fraction", "value_at_risk_99_fraction"):
        return
    if isinstance(wished, bool) or not isinstance(wished, int | float) or not 0.0 < wished < math.inf:
        raise Misconfigured(f"{name} must be a number above 0, it was {wished!r}")
    if name.endswith("_fraction") and wished > 1.0:
        raise Misconfigured(f"{name} must be at most 1, it was {wished!r}; 0.02 means two percent")
    if name == "orders_per_minute" and not (isinstance(wished, int) and wished <= 256):
        raise Misconfigured(f"orders_per_minute must be a whole number from 1 to 256, it was {wished!r}")
