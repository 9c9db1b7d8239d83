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
# # 7. Models
#
# **Question**: can what comes be foreseen, and how does a strategy use it?
# **Data**: a seeded market whose calm and storm come in spells.
# **Answer**: its volatility can, its direction cannot, and a model says so itself: it is judged on rows that it had not
# seen, calibrated there, and travels as one checked file. A strategy sees its prediction as a feature.

# %%
import numpy as np
import pandas as pd

from kernel_lib import features as f
from kernel_lib import models
from kernel_lib.backtest import replay
from kernel_lib.market.tick import make_ticks
from kernel_lib.models import Facts, LinearRegression, LogisticRegression, labels

FAST = True
n_ticks = 60_000 if FAST else 600_000
random = np.random.default_rng(7)
storm = np.repeat(random.choice([0.4, 1.6], size=-(-n_ticks // 3_000)), 3_000)[:n_ticks]
mid = 1.1 + np.cumsum(random.normal(size=n_ticks) * storm * 4e-6)
ticks = make_ticks(1_700_000_000 * 10**9 + np.arange(n_ticks) * 10**9, np.round(mid, 5), np.round(mid + 2e-5, 5))

# %% [markdown]
# Features by the minute, one row a closed bar. The labels are what came after; the last rows have none yet.

# %%
sources = {"range": f.atr(10, bars="1m"), "moved": f.realised_volatility(20, bars="1m"), "rsi": f.rsi(14, bars="1m")}
closes = np.flatnonzero(np.diff(ticks["time_ns"] // (60 * 10**9))) + 1
rows = pd.DataFrame({name: each(ticks)[closes] for name, each in sources.items()})
price = ((ticks["bid"] + ticks["ask"]) / 2)[closes]
rows.tail(3)

# %%
calm_or_storm = LinearRegression().fit(rows, labels.volatility(price, 10), seed=1)
calm_or_storm

# %% [markdown]
# The direction, of the same rows. The card's scores are out of sample; a half is what a coin gets.

# %%
direction = LogisticRegression().fit(rows, labels.direction(price, 10), seed=1)
direction.card.scores

# %% [markdown]
# The model becomes a file, and the file a feature: `models.keep` gives it a name, a passport carries it along.

# %%
bundle = calm_or_storm.bundle(Facts(symbol="EURUSD", bars="1m", sources=tuple(map(repr, sources.values()))))
models.keep("volatility", bundle)
print(f"{len(bundle):,} bytes")

# %%
from kernel_lib.strategy import strategy


@strategy(on="1m", features={"storm": models.predicted("volatility"), "slow": f.sma(20, bars="1m")})
def calm_only(x, position, p):
    """Follow the price while the model expects calm; stand aside in a storm."""
    if x.storm > 0.01:
        return 0.0
    return 1.0 if x.mid > x.slow else -1.0


run = replay(calm_only, ticks)
run

# %% [markdown]
# The claims: the volatility was foreseen on unseen rows, the direction was not, and the file answers as the model.

# %%
unseen = calm_or_storm.unseen
foreseen = np.corrcoef(unseen.columns[:, 0], unseen.outcomes)[0, 1]
assert foreseen > 0.3, foreseen
assert abs(direction.card.scores["accuracy"] - 0.5) < 0.08
live = models.load_model(bundle)
last = rows.to_numpy()[-1]
np.testing.assert_allclose(live.predict_row(last), calm_or_storm.predict(rows).values[-1], atol=1e-6)
assert run.book.numbers["n_orders"] > 0
