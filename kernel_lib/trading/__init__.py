"""Orders, positions, money: the compiled bookkeeping of one strategy and the simulated broker."""
