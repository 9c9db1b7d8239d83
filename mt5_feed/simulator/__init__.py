"""A simulated MetaTrader 5 terminal: the module's surface over recorded or generated ticks, seeded."""

from mt5_feed.simulator.config import SimulatorConfig
from mt5_feed.simulator.faults import Fault
from mt5_feed.simulator.generator import generate_ticks
from mt5_feed.simulator.terminal import SimulatedTerminal

__all__ = ["Fault", "SimulatedTerminal", "SimulatorConfig", "generate_ticks"]
