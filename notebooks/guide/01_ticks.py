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
# # 1. Ticks
#
# **Question**: what does the market look like, tick by tick?
# **Data**: the ticks that the platform has recorded for your tenant.
# **Answer**: times are irregular, the spread breathes, and a minute holds a hundred small decisions.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kernel_lib import client

FAST = True  # the guide's small run; False takes as much as your tier opens

# %% [markdown]
# Who am I, and what is recorded? Limits come from your tenant's tier.

# %%
who = client.me()
print(f"{who['user']} of tenant {who['tenant']}: {who['role']}, tier {who['tier']}")
client.symbols()

# %% [markdown]
# `ticks` gives an array with three columns: `time_ns` (UTC nanoseconds), `bid`, `ask`.

# %%
ticks = client.ticks("EURUSD", limit=2_000 if FAST else who["limits"]["rows_per_query"])
ticks[:3]

# %%
times = ticks["time_ns"].astype("datetime64[ns]")
figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, height_ratios=[2, 1], layout="constrained")
top.plot(times, ticks["bid"], lw=0.7, label="bid")
top.plot(times, ticks["ask"], lw=0.7, label="ask")
top.legend(frameon=False)
bottom.plot(times, (ticks["ask"] - ticks["bid"]) * 1e5, lw=0.7, color="tab:gray")
bottom.set_ylabel("spread, points")
plt.show()

# %% [markdown]
# Bars are made of the same ticks, of any length, priced at the bid as MetaTrader draws them.

# %%
bars = client.bars("EURUSD", "1m", limit=60)
bars.tail(3)

# %% [markdown]
# The claim: ticks are in order, quotes are sound, and no bar leaves the range of its ticks.

# %%
assert len(ticks) > 100
assert np.all(np.diff(ticks["time_ns"]) >= 0)
assert np.all(ticks["ask"] >= ticks["bid"])
assert np.all(bars["high"] >= bars["low"])
