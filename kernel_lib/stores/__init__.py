"""The stores of DESIGN behind ports: accounts (PostgreSQL), ticks (ClickHouse), live (Redis)."""
