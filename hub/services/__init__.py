"""Hub services: `api` (accounts, promotion) and `data` (recorded market data as Arrow)."""
