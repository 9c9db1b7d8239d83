"""Every benchmark by name: the module that measures it, and what it is for."""

import msgspec

__all__ = ["CATALOGUE", "Benchmark"]


class Benchmark(msgspec.Struct, frozen=True):
    """One file ``benchmarks/<module>.py`` with ``measure(quick: bool) -> Outcome``; ``limit_s`` is its longest run."""

    module: str
    about: str
    limit_s: float = 300.0


#: To add one: a file, and a line here.
CATALOGUE = {
    "replay": Benchmark("replay", "moving-average cross over ticks, beside hftbacktest and NautilusTrader", 600.0),
    "backtest": Benchmark("backtest", "the standard backtest, and the cross beside a loop written for it alone"),
    "account": Benchmark("account", "five instruments in one account, beside five replays"),
    "orders": Benchmark("orders", "the cost of an order, early and late in a run"),
    "features": Benchmark("thirty_features", "thirty features: replayed, and in one live call"),
    "risk": Benchmark("risk", "value at risk of a large portfolio, the verdict on an order, a tick validated"),
    "cold": Benchmark("cold", "import and first backtest in a fresh interpreter"),
    "desk": Benchmark("desk", "tick bytes in to order handed to the broker, in the desk process"),
    "link": Benchmark("link", "agent, bridge, bus, desk over loopback: how long, and nothing lost", 1800.0),
    "memory": Benchmark("memory", "a desk with ten strategies: memory, and start to first decision"),
    "inference": Benchmark("inference", "one row through a model, beside the library that trained it"),
    "sweep": Benchmark("sweep", "a thousand parameter sets, beside vectorbt; a hundred over a million ticks", 900.0),
    "agents": Benchmark("agents", "all sixteen agents and their consensus on one snapshot"),
}
