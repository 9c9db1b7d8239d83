"""Replay of recorded ticks through the same compiled step as live, and the report on it."""

from kernel_lib.backtest.replay import Replay, replay

__all__ = ["Replay", "replay"]
