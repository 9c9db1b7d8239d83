"""Instruments, ticks, bars, sessions and validation: what the market says, before anyone thinks about it."""
