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
# # 2. Features
#
# **Question**: what may a decision look at?
# **Data**: recorded ticks.
# **Answer**: features. Each is one small compiled update, the same machine code here, in a backtest and live; so what
# you see in this notebook is what the live engine will see.

# %%
import matplotlib.pyplot as plt
import numpy as np

from kernel_lib import client
from kernel_lib import features as f

ticks = client.ticks("EURUSD", limit=5_000)
f.catalogue()

# %% [markdown]
# A feature with its parameters is a small object; call it on ticks, bars, a frame or numbers. It is NaN until warm,
# and says beforehand for how long.

# %%
fast, slow = f.ema(50), f.ema(400)
print(fast, "is warm after", fast.warmup, "updates")
mid = (ticks["bid"] + ticks["ask"]) / 2

# %%
times = ticks["time_ns"].astype("datetime64[ns]")
figure, axes = plt.subplots(figsize=(9, 3.5), layout="constrained")
axes.plot(times, mid, lw=0.5, color="silver", label="mid")
axes.plot(times, fast(ticks), lw=1, label=repr(fast))
axes.plot(times, slow(ticks), lw=1, label=repr(slow))
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# Some features show several things at once; the first is the feature's own value.

# %%
bands = f.bollinger(200, 2.0)(ticks)
{name: round(float(values[-1]), 5) for name, values in bands.items()}

# %% [markdown]
# One of your own is a small function over a few numbers of state. It is compiled like the others, and works wherever
# they do; in a strategy, define it in the same cell.


# %%
@f.feature(state=1)
def streak(state, bar, window=20.0):
    """How far the price is from its slow mean, in units of its own size."""
    if state[0] == 0.0:
        state[0] = bar.close
    state[0] += (bar.close - state[0]) / window
    return 1e4 * (bar.close / state[0] - 1.0)


streak(window=50.0).plot(ticks)
plt.show()

# %% [markdown]
# The claim: cutting off the future changes nothing that was known before.

# %%
np.testing.assert_array_equal(fast(ticks[:1_000]), fast(ticks)[:1_000])
assert np.isnan(slow(ticks)[: slow.warmup - 1]).all()
