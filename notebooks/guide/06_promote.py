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
# # 6. Promotion
#
# **Question**: how does it get from here to an account?
# **Data**: the strategy's own source.
# **Answer**: you submit it, somebody else approves and signs it, and the engine runs what was signed and nothing else.
# The cell (or file) that holds the strategy travels whole: keep its imports in it, and calls of the client out of it.

# %%
from kernel_lib import features as f
from kernel_lib.strategy import FixedLots, strategy


@strategy(
    on="tick",
    features=lambda p: {"fast": f.ema(p.fast), "slow": f.ema(p.slow)},
    params={"fast": 20, "slow": 60},
    sizing=FixedLots(0.1),
)
def quick_cross(x, position, p):
    """A short moving-average cross, so that the demo has something to do."""
    if x.fast > x.slow:
        return 1.0
    if x.fast < x.slow:
        return -1.0
    return position.exposure


# %%
from kernel_lib import client
from kernel_lib.market.instrument import instrument

passport_hash = client.promote(quick_cross, instrument=instrument("EURUSD"))
print("submitted as", passport_hash[:12])
client.strategies().head()

# %% [markdown]
# It is for a netting account, as the simulated terminal has one; `account=AccountConfig(hedging=True)` promotes it for
# a hedging one. Orders for the other kind are refused at the terminal.
#
# Now an admin of the tenant approves it (`tickhub approve HASH --user admin`). You cannot approve your own:

# %%
from kernel_lib.errors import Refused

try:
    client.approve(passport_hash)
except Refused as error:
    print("refused:", error)
else:
    raise AssertionError("an author must not approve")

# %% [markdown]
# The claim: it is on the list under its hash.

# %%
listed = client.strategies()
assert passport_hash in set(listed["hash"])
