"""Alembic migrations of the accounts database; run by ``python -m hub.migrate``."""
