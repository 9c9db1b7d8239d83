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
# # 5. The live stream
#
# **Question**: what happens now?
# **Data**: live quotes of your tenant's terminals, and the desk's state, conflated to your tier.
# **Answer**: `stream()` gives messages as they come, each a dictionary.

# %%
import time

from kernel_lib import client

messages = []
deadline = time.monotonic() + 20
for message in client.stream(["EURUSD"], timeout_s=30):
    messages.append(message)
    if len([each for each in messages if each["type"] == "ticks"]) >= 5 or time.monotonic() > deadline:
        break
kinds = {each["type"] for each in messages}
print(f"{len(messages)} messages: {', '.join(sorted(kinds))}")
messages[-1]

# %% [markdown]
# The claim: quotes arrive.

# %%
assert "ticks" in kinds
