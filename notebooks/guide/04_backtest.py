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
# # 4. A backtest
#
# **Question**: what would it have done?
# **Data**: recorded ticks.
# **Answer**: `replay` runs the very step that trades live, with spread, commission, swap, latency and slippage; the
# report has the figures with their units, the trades, and the plots.

# %%
from kernel_lib import client
from kernel_lib.backtest import replay
from kernel_lib.strategies import ma_cross
from kernel_lib.trading.account import Costs, RiskLimits

ticks = client.ticks("EURUSD", limit=10_000)
run = replay(ma_cross, ticks, instrument="EURUSD", costs=Costs(latency_ms=40, commission_per_lot=3.5))
run

# %%
report = run.report()
report

# %% [markdown]
# Down to each trade.

# %%
report.trades.tail()

# %% [markdown]
# Costs decide. The same idea without latency and commission, and with one lot instead of a tenth allowed:

# %%
free = replay(ma_cross, ticks, costs=Costs(latency_ms=0, commission_per_lot=0.0), limits=RiskLimits(max_lots=1.0))
print(
    f"net of costs {report.statistics['net_profit_money']:.2f}, without them "
    f"{free.report().statistics['net_profit_money']:.2f}"
)

# %% [markdown]
# The claim: two runs are equal to the bit, and the trades add up to the profit.

# %%
again = replay(ma_cross, ticks, instrument="EURUSD", costs=Costs(latency_ms=40, commission_per_lot=3.5))
assert again.events.tobytes() == run.events.tobytes()
open_costs = sum(int(each["commission_minor"]) for each in run.book.positions) / 100
assert abs(report.trades["net_profit"].sum() - open_costs - report.statistics["net_profit_money"]) < 0.01
