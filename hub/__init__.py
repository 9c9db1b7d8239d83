"""The hub: JupyterHub, its tenants and tiers, and the services that answer with hub tokens."""
