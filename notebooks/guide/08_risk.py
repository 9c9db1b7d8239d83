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
# # 8. Risk
#
# **Question**: how much may be lost, and how much should be held?
# **Data**: five seeded instruments with fat tails and a common factor.
# **Answer**: value at risk three ways, stress beside it, a size from the stop, and weights that spread the risk. The
# same functions judge an order on the desk.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from kernel_lib import risk
from kernel_lib.tiers import TIERS

random = np.random.default_rng(11)
symbols = ["EURUSD", "GBPUSD", "AUDUSD", "USDJPY", "XAUUSD"]
market = random.standard_t(4, 1_000) * 0.003
own = random.standard_t(4, (1_000, 5)) * np.array([0.002, 0.003, 0.004, 0.003, 0.006])
returns = pd.DataFrame(market[:, None] * [1.0, 1.1, 1.3, -0.6, 0.8] + own, columns=symbols)
book = returns @ [0.3, 0.3, 0.2, 0.1, 0.1]

# %%
pd.DataFrame(
    {
        name: [risk.value_at_risk(book, confidence=share, method=method) for share in (0.95, 0.99)]
        for name, method in {"historical": "linear", "as Hull counts": "hull"}.items()
    },
    index=["95 %", "99 %"],
)

# %% [markdown]
# What the worst days did, and how deep and long the way under water was.

# %%
risk.drawdown_report(book)

# %% [markdown]
# Weights: equal, of least variance, of equal risk, and by the tree of correlations.

# %%
weights = pd.DataFrame(
    {
        "least variance": risk.min_variance(returns).weights,
        "equal risk": risk.risk_parity(returns).weights,
        "by the tree": risk.hierarchical_risk_parity(returns).weights,
    },
    index=symbols,
)
weights.plot.bar(figsize=(8, 3), rot=0, ylabel="share of the portfolio")
plt.show()

# %% [markdown]
# Limits come with the tier; a tenant may tighten them. An order that would break one is refused by name.

# %%
limits = risk.configured(TIERS["pro"], order_risk_fraction=0.01)
limits

# %% [markdown]
# The claims: a tail is longer at 99 % than at 95 %, weights add up, and spreading the risk lowers it.

# %%
assert risk.value_at_risk(book, confidence=0.99) > risk.value_at_risk(book, confidence=0.95) > 0
assert np.allclose(weights.sum(), 1.0)
assert (returns @ weights["least variance"]).std() <= book.std()
