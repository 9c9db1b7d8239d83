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
# # 3. A strategy
#
# **Question**: how do I write an idea so that it trades?
# **Data**: none; this is about form.
# **Answer**: as one pure function of features, position and parameters that gives a target exposure from -1 to 1.

# %%
from kernel_lib import features as f
from kernel_lib.strategy import FixedLots, strategy


@strategy(
    on="tick",
    features=lambda p: {"fast": f.ema(p.fast), "slow": f.ema(p.slow), "rsi": f.rsi(14, bars="1m")},
    params={"fast": 100, "slow": 500, "overbought": 70.0},
    stop_loss_points=150,
    sizing=FixedLots(0.1),
)
def patient_cross(x, position, p):
    """Long above the slow average unless overbought, short below it."""
    if x.fast > x.slow and x.rsi < p.overbought:
        return 1.0
    if x.fast < x.slow:
        return -1.0
    return position.exposure


patient_cross

# %% [markdown]
# Parameters may be windows of features. `with_params` gives a copy; the original stays as it is.

# %%
quicker = patient_cross.with_params(fast=20, slow=100)
quicker.features

# %% [markdown]
# What cannot work is refused here, not at three in the morning.

# %%
from kernel_lib.errors import Misconfigured

try:
    patient_cross.with_params(speed=3)
except Misconfigured as error:
    print("refused:", error)

# %% [markdown]
# The claim: the strategy knows its own features and parameters.

# %%
assert quicker.params["fast"] == 20
assert patient_cross.params["fast"] == 100
assert repr(quicker.features["fast"]) == "ema(span=20)"
