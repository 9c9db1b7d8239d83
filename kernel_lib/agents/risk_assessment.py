"""Whether the account can bear another position, and how large."""

from typing import ClassVar

import msgspec

from kernel_lib.agents.agent import Group
from kernel_lib.agents.reading import Reading, clip
from kernel_lib.agents.snapshot import Portfolio, Snapshot
from kernel_lib.agents.vote import Vote
from kernel_lib.declared import Declared

__all__ = ["RiskAssessment"]

_LEAST_RETURNS = 20


class RiskAssessment(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Veto what the limits forbid, and shrink the size as one of them comes near.

    Drawdown and the day's loss shrink it by the cushion rule of ``risk.drawdown_control``: whole until half of the
    limit, nothing at it. Value at risk (historical, 95 %, of the returns there are) shrinks it by
    ``limit / value`` where it is larger. It fails closed: without equity, or with the desk's own risk state shut, it
    vetoes.

    Parameters
    ----------
    drawdown_fraction, daily_loss_fraction : float
        Limits, as shares of the peak and of the day's opening equity; the defaults are those of ``risk.Limits``.
    value_at_risk_fraction : float
        Most that a period may cost at 95 %, as a share of the equity.
    spread_ratio : float
        Spread over its median at which nothing is entered.
    """

    key: ClassVar[str] = "risk_assessment"
    group: ClassVar[Group] = "decision"
    reads: ClassVar[tuple[str, ...]] = ()
    drawdown_fraction: float = 0.10
    daily_loss_fraction: float = 0.03
    value_at_risk_fraction: float = 0.02
    spread_ratio: float = 5.0

    def analyze(self, snapshot: Snapshot) -> Vote:
        """Give its vote."""
        reading = Reading(self.key, snapshot)
        portfolio = snapshot.portfolio
        equity = reading.look("equity", None if portfolio is None else portfolio.equity)
        if portfolio is None or equity is None:
            return reading.without("the risk is not known, so nothing is entered", scale=0.0, veto=True)
        if not portfolio.risk_active:
            return reading.finish("the desk's risk state is shut", confidence=1.0, scale=0.0, veto=True)
        scales, stops = [1.0], []
        for name, top, limit in (
            ("drawdown", portfolio.peak_equity, self.drawdown_fraction),
            ("loss of the day", portfolio.day_start_equity, self.daily_loss_fraction),
        ):
            start = reading.look(f"equity before the {name}", top)
            if start is None or start <= 0.0:
                continue
            lost = reading.note(name, max(0.0, 1.0 - equity / start))
            scales.append(clip(2.0 * (1.0 - lost / limit), 0.0, 1.0))
            if lost >= limit - 1e-12:  # reached, however it was rounded
                stops.append(f"{name} {100.0 * lost:.1f} % reaches its limit of {100.0 * limit:.1f} %")
        risk = self._value_at_risk(reading, portfolio)
        if risk is not None and risk > 0.0:
            scales.append(min(1.0, self.value_at_risk_fraction / risk))
        spread, usual = reading.look("spread", snapshot.spread), reading.look("median spread", snapshot.spread_median)
        if spread is not None and usual is not None and usual > 0.0 and spread > self.spread_ratio * usual:
            stops.append(f"the spread is {spread / usual:.1f} times the usual")
        reading.note("exposure", clip(portfolio.exposure, -1.0, 1.0))
        scale = min(scales)
        confidence = 1.0 - 0.15 * len(reading.missing)
        if stops:
            return reading.finish("; ".join(stops), confidence=max(confidence, 0.5), scale=0.0, veto=True)
        said = "room for the whole size" if scale >= 1.0 else f"room for {100.0 * scale:.0f} % of the size"
        unknown = f" (not known: {', '.join(reading.missing)})" if reading.missing else ""
        return reading.finish(said + unknown, confidence=max(confidence, 0.1), scale=scale)

    def _value_at_risk(self, reading: Reading, portfolio: Portfolio) -> float | None:
        gains = sorted(each for each in portfolio.returns if -1e6 < each < 1e6)
        if len(gains) < _LEAST_RETURNS:
            reading.missing.append(f"{_LEAST_RETURNS} returns for value at risk")
            reading.seen["value at risk 95 %"] = None
            return None
        # As risk.value_at_risk with its linear quantile, without making an array of a short tuple.
        place = (len(gains) - 1) * 0.05
        low = int(place + 1e-9)
        quantile = gains[low] + (gains[low + 1] - gains[low]) * max(0.0, place - low)
        return reading.note("value at risk 95 %", max(0.0, -quantile))
