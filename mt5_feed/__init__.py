"""The feed: an agent beside each MetaTrader 5 terminal, and the bridge the agents dial."""
