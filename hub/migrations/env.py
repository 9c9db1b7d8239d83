"""Alembic's entry: runs every migration as the owner role, in the platform's own schema."""

from alembic import context
from sqlalchemy import text

SCHEMA = "tickhub"

connection = context.config.attributes["connection"]
connection.execute(text("SET search_path TO tickhub"))
connection.commit()
context.configure(connection=connection, version_table_schema=SCHEMA, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
