# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # 10. Bars, orders and costs
#
# **Question**: is a backtest on bars as good as one on ticks, and what do orders and costs change?
# **Data**: a seeded market, so that the figures below are the same for everybody.
# **Answer**: three modes, one step. On closed bars they agree; where a stop lies within the bar, only ticks know.
# Orders rest, stops trail, and costs are fitted from fills instead of guessed.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.market.bars import bars
from kernel_lib.market.instrument import instrument
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategy import FixedLots, at_limit, keep, strategy
from kernel_lib.trading.account import Costs
from kernel_lib.trading.record import Kind, OrderType

FAST = True
n_ticks = 100_000 if FAST else 1_000_000
random = np.random.default_rng(10)
mid = 1.1 + np.cumsum(random.normal(0, 3e-5, n_ticks) + 4e-6 * np.sin(np.arange(n_ticks) / 400))
times = 1_704_672_000 * 10**9 + np.cumsum(random.integers(500, 1_500, n_ticks)) * 10**6
ticks = make_ticks(times, np.round(mid, 5), np.round(mid + 8e-5, 5))
minutes = bars(ticks, "1m")
print(f"{len(ticks):,} ticks, {len(minutes):,} bars of a minute")


# %%
@strategy(
    on="1m",
    features={"fast": f.ema(3, bars="1m"), "slow": f.ema(12, bars="1m")},
    params={"wait": 0.0},
    stop_loss_points=80,
    trailing_points=60,
    sizing=FixedLots(0.1),
)
def pullback(x, position, p):
    """Buy a dip in a rise: at the market, or at a limit so many points below it."""
    if position.lots == 0.0 and x.fast > x.slow:
        if p.wait > 0.0:
            return at_limit(1.0, x.bid - p.wait * 1e-5, expires_s=300)
        return 1.0
    return keep() if x.fast > x.slow else 0.0


# %% [markdown]
# The same strategy over ticks, over each bar walked through as MetaTrader's tester does it (`m1`), and opens only.

# %%
runs = {
    "ticks": replay(pullback, ticks),
    "m1": replay(pullback, minutes, mode="m1", spread_points=8),
    "open": replay(pullback, minutes, mode="open", spread_points=8),
}
shown = ("net_profit_money", "trades_count", "win_rate_pct", "max_drawdown_pct", "average_trade_duration_s")
pd.DataFrame({name: {each: run.report().statistics[each] for each in shown} for name, run in runs.items()}).round(2)

# %%
figure, axes = plt.subplots(figsize=(9, 3.2))
for name, run in runs.items():
    axes.plot(pd.to_datetime(run.equity["time_ns"]), run.equity["equity_minor"] / 100, label=name)
axes.set_title("Equity, by what is replayed")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# A limit order waits three points below the market and moves along each minute; it fills at its price or better.

# %%
waited = replay(pullback, ticks, params={"wait": 3.0})
rows = waited.events
told = {kind.name.lower(): int((rows["kind"] == int(kind)).sum()) for kind in (Kind.PLACED, Kind.MODIFIED, Kind.FILL)}
print(told, "at the market:", f"{runs['ticks'].report().statistics['net_profit_money']:.2f}",
      "at a limit:", f"{waited.report().statistics['net_profit_money']:.2f}")  # fmt: skip

# %%
waited.report(ticks=ticks).figures()[0][1]

# %% [markdown]
# Costs of a broker that we pretend to know nothing about; its fills say what it takes. On a desk they come from the
# journal, here from a run.

# %%
from kernel_lib.backtest.fitted_costs import fit_costs

truth = Costs(latency_ms=70, latency_jitter_ms=30, slippage_points=1, slippage_random_points=2, commission_per_lot=3.0)
recorded = replay(pullback, ticks, costs=truth)
fitted = fit_costs(recorded.events, instrument("EURUSD"), ticks=ticks)
fitted

# %% [markdown]
# The claim: on limits we were filled at the price or better, and the fitted costs are the broker's.

# %%
asked, better = {}, []
for row in rows:  # each minute the order moves along
    if row["kind"] in (int(Kind.PLACED), int(Kind.MODIFIED)):
        assert row["entry"] == int(OrderType.LIMIT)
        asked[int(row["order_id"])] = row["points"]
    elif row["kind"] == int(Kind.FILL) and int(row["order_id"]) in asked:
        better.append(asked[int(row["order_id"])] - row["points"])
assert len(better) > 10
assert min(better) >= 0
assert abs(fitted.costs.latency_ms - truth.latency_ms) < 15
assert fitted.costs.commission_per_lot == truth.commission_per_lot
