"""Risk and portfolio mathematics: pure functions for notebooks, the desk and the dashboards alike."""
