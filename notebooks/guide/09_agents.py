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
# # 9. Agents
#
# **Question**: what do several analysts, each with one job, make of the market together?
# **Data**: a seeded market with a trend that turns.
# **Answer**: each votes with a direction, a confidence and a reason; careful ones may scale or veto; the weights are
# earned. The consensus is a feature of a strategy, formed whenever a bar closes.

# %%
import numpy as np

from kernel_lib import agents
from kernel_lib.backtest import replay
from kernel_lib.market.tick import make_ticks
from kernel_lib.strategies.consensus import consensus

FAST = True
n_ticks = 40_000 if FAST else 400_000
random = np.random.default_rng(3)
trend = np.repeat([3e-7, -3e-7], n_ticks // 2)
mid = 1.1 + np.cumsum(random.normal(size=n_ticks) * 1e-5 + trend)
ticks = make_ticks(1_700_000_100 * 10**9 + np.arange(n_ticks) * 10**9, np.round(mid, 5), np.round(mid + 6e-5, 5))

# %% [markdown]
# What the panel of a pro tenant would have said at each bar. `votes.panel` steps through it with a slider.

# %%
panel = agents.consensus("pro", bars="1m", symbol="EURUSD")
votes = agents.votes_over_time(panel, ticks)
votes.panel

# %%
last = list(votes)[-1]
last

# %%
print(last.explain())

# %% [markdown]
# A strategy that trades the consensus; yours may read it beside its own features, `agents.consensus("pro", bars="5m")`.

# %%
run = replay(consensus, ticks)
run

# %% [markdown]
# The claims: votes are in range and have reasons, the same moment gets the same votes, and who has to be careful was.

# %%
every = [vote for agreed in votes for vote in agreed.votes]
assert all(-1.0 <= vote.direction <= 1.0 and 0.0 <= vote.confidence <= 1.0 and vote.reason for vote in every)
again = agents.votes_over_time(panel, ticks)
assert again.frame.equals(votes.frame)
assert run.fault == ""
