"""Which regime the market is in, by three numbers that every snapshot carries; one rule for all agents."""

from typing import Literal

from kernel_lib.agents.reading import Reading

__all__ = ["READS", "RegimeName", "regime_of"]

RegimeName = Literal["unknown", "storm", "trend", "drift", "range"]
READS = ("adx_14", "volatility_20", "volatility_100")
#: Wilder's marks (1978): above 25 a trend, below 20 none.
_TREND, _RANGE = 25.0, 20.0
#: Recent volatility over usual; for normal returns a window of 20 against 100 exceeds it once in some 500 bars.
_STORM = 1.6


def regime_of(reading: Reading) -> tuple[RegimeName, float]:
    """Name the regime, and give the ratio of recent to usual volatility (1 where unknown).

    Returns
    -------
    RegimeName
        ``storm`` (volatility 1.6 times the usual), else by the average directional index ``trend`` (from 25),
        ``range`` (below 20) or ``drift``.
    float
    """
    adx = reading.feature("adx_14")
    recent, usual = reading.feature("volatility_20"), reading.feature("volatility_100")
    ratio = 1.0
    if recent is not None and usual is not None and usual > 0.0 and recent >= 0.0:
        ratio = reading.note("volatility ratio", min(recent / usual, 1e6))
        if ratio > _STORM:
            return "storm", ratio
    if adx is None:
        return "unknown", ratio
    return ("trend" if adx >= _TREND else "range" if adx < _RANGE else "drift"), ratio
