"""Strategies and ticks whose account can be reckoned by hand: entries and exits at given seconds."""

import numpy as np

from kernel_lib import features as f
from kernel_lib.backtest import AccountReplay
from kernel_lib.market.instrument import Instrument
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategy import FixedLots, Strategy, strategy
from kernel_lib.trading.account import Costs, RiskLimits

SECOND = 10**9
#: A Monday, 10:00 UTC.
START = 1_549_274_400 * SECOND
FREE = Costs(commission_per_lot=0.0, latency_ms=0.0, swap=False)
WIDE = RiskLimits(max_lots=100.0, max_spread_points=10**6, daily_loss_fraction=1.0, orders_per_minute=256,
                  max_quote_age_ms=10**6)  # fmt: skip
EURJPY = Instrument(
    symbol="EURJPY", digits=3, point=0.001, tick_size=0.001, contract_size=100_000.0, currency_base="EUR",
    currency_profit="JPY",
)  # fmt: skip
NEVER = 10**6


def quotes(*rows: tuple[float, float, float]) -> Ticks:
    """Ticks of (second, bid, ask)."""
    seconds, bid, ask = np.array(rows).T
    return make_ticks(START + (seconds * SECOND).astype(np.int64), bid, ask)


def _holds(x, position, p):  # type: ignore[no-untyped-def]
    return p.side if p.since <= x.time_ns < p.until else 0.0


def holds(lots: float, *, since: int = 0, until: int = NEVER, side: float = 1.0) -> Strategy:
    """Holds so many lots from one second to another; one function, so that it is compiled once."""
    params = {"side": side, "since": START + since * SECOND, "until": START + until * SECOND}
    return strategy(on="tick", features={"last": f.ema(1)}, params=params, sizing=FixedLots(lots))(_holds)


def rows(run: AccountReplay, member: str, kind: int) -> np.ndarray:
    events = run[member].events
    found: np.ndarray = events[events["kind"] == int(kind)]
    return found


def equity_at(run: AccountReplay, second: int) -> float:
    """The account's equity after the last tick of a second, money."""
    times = run.equity["time_ns"]
    at = int(np.searchsorted(times, START + (second + 1) * SECOND)) - 1
    return float(run.equity["equity_minor"][at]) / 100
