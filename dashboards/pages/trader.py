# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   title: Tickhub desk
# ---

# %%
from dashboards.widgets import TraderDesk

TraderDesk()
