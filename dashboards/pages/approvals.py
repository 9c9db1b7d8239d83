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
#   title: Tickhub approvals
# ---

# %%
from dashboards.widgets import Approvals

Approvals()
