"""Replay of recorded ticks through the same compiled step as live, and the report on it."""
