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
# # 11. Believing a backtest
#
# **Question**: the best of many trials looks good. Is it?
# **Data**: a seeded market with no edge in it at all, so that the right answer is known: no.
# **Answer**: ask what the run costs, choose parameters where they are not judged, let every trial be counted, and let
# the platform judge on data that nobody has seen. Each step below says so for itself.

# %%
import numpy as np
import pandas as pd

from kernel_lib import client
from kernel_lib import features as f
from kernel_lib.backtest import parity, price, replay
from kernel_lib.backtest.counting import set_hypothesis
from kernel_lib.backtest.leakcheck import leakcheck
from kernel_lib.backtest.overfitting import backtest_overfitting
from kernel_lib.backtest.sweep import sweep
from kernel_lib.backtest.walkforward import walkforward
from kernel_lib.errors import Refused
from kernel_lib.market.instrument import instrument
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategies import ma_cross

FAST = True
n_ticks = 40_000 if FAST else 400_000
random = np.random.default_rng(11)
mid = np.round(1.1 + np.cumsum(random.normal(0, 3e-5, n_ticks)), 5)
ticks = make_ticks(1_704_672_000 * 10**9 + np.arange(n_ticks) * 6 * 10**9, mid, mid + 2e-5)
grid = {"fast": [5, 10, 20, 40], "slow": [100, 200, 400]}

# %% [markdown]
# A name for the idea: what is tried for it is counted under that name, on the platform. Then the price of the sweep,
# before it runs, beside what is left of the day.

# %%
set_hypothesis("guide: cross of averages")
print(price(ma_cross, ticks, grid))
print(client.quota()["backtest_seconds"])

# %%
found = sweep(ma_cross, ticks, grid, progress=False)
found.heatmap("fast", "slow", "sharpe_ratio")

# %% [markdown]
# The best of twelve, with its tear sheet. Honesty stands on top: the number of trials, and the Sharpe ratio that so
# many reach by luck alone.

# %%
best = found.best_strategy("sharpe_ratio")
report = replay(best, ticks).report(ticks=ticks)
report.to_html("sheet.html")
report

# %% [markdown]
# Walk-forward chooses on the past of each stretch and judges on what came after.

# %%
forward = walkforward(ma_cross, ticks, grid, folds=4, progress=False)
forward.table[["begin", "fast", "slow", "chosen_sharpe_ratio", "sharpe_ratio", "net_profit_money"]]

# %% [markdown]
# Does the order of the trials last? The returns of every trial, cut into halves in every way. It says nothing of
# profit: an order by costs lasts as well.

# %%
returns = np.column_stack([replay(ma_cross, ticks, params=each).report().periods.returns for each in found.sets])
luck = backtest_overfitting(returns, 8)
print(luck.verdict)
luck.plot()

# %% [markdown]
# A leak is a value that knew what came later. `rsi` does not; this z-score does, since its mean is of all the data.

# %%
print(leakcheck(f.rsi(14), mid[:2_000]))
leaky = leakcheck(lambda prices: (prices - prices.mean()) / prices.std(), mid[:2_000])
leaky

# %% [markdown]
# Parity: backtest and the engine's own program side by side, compared to the byte. The certificate made here is your
# claim; an operator's `tickhub parity --certify` signs it.

# %%
same = parity(best, ticks[:15_000], progress=False)
same

# %% [markdown]
# All of it goes with the strategy to whoever approves it: the claims in its passport, the platform's own count beside
# them. The hold-out is asked once, and the answer stands; a young history has none yet.

# %%
from kernel_lib.certificate import as_text

passport_hash = client.promote(
    best,
    instrument=instrument("EURUSD"),
    evidence={
        "parity": as_text(same.certificate()),
        "deflated_sharpe": f"{report.honesty.deflated_sharpe:.3f}",
    },
)
try:
    print(client.hold_out(passport_hash))
except Refused as error:
    print("refused:", error)

# %%
counted = pd.DataFrame(client.trials("guide: cross of averages")["hypotheses"])
counted[["hypothesis", "symbol", "n_trials", "n_runs", "seconds"]]

# %% [markdown]
# The claims: every trial was counted, running one again is no new one, the best of them is not told from luck, the leak
# was found, and backtest and engine did the same.

# %%
assert report.honesty.n_trials >= len(found.sets)
assert counted["n_runs"].iloc[0] > counted["n_trials"].iloc[0] >= len(found.sets)
assert report.honesty.deflated_sharpe < 0.95
assert not leaky.clean
assert same.require_identical().counts["fills"] > 5
