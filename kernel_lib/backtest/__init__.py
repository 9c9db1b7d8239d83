"""Replay of recorded ticks through the same compiled step as live, and what can be believed of it.

``replay`` runs once, ``sweep`` many parameter sets, ``walkforward`` chooses them where they are not judged; the rest
looks at what came out. What is heavy is imported when it is first used.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kernel_lib.backtest.replay import Replay, replay

if TYPE_CHECKING:
    from kernel_lib.backtest.account_replay import Member, replay_account
    from kernel_lib.backtest.account_result import AccountReplay
    from kernel_lib.backtest.costs import cost_sensitivity
    from kernel_lib.backtest.monte_carlo import monte_carlo_returns, monte_carlo_trades
    from kernel_lib.backtest.monte_carlo_prices import monte_carlo_prices
    from kernel_lib.backtest.parity_run import EngineSide, Parity, parity
    from kernel_lib.backtest.report import Report, compare
    from kernel_lib.backtest.sweep import sweep
    from kernel_lib.backtest.sweep_price import Quota, price
    from kernel_lib.backtest.vectorbt_bridge import from_signals, to_vectorbt
    from kernel_lib.backtest.walkforward import walkforward

__all__ = [
    "AccountReplay",
    "EngineSide",
    "Member",
    "Parity",
    "Quota",
    "Replay",
    "Report",
    "compare",
    "cost_sensitivity",
    "from_signals",
    "monte_carlo_prices",
    "monte_carlo_returns",
    "monte_carlo_trades",
    "parity",
    "price",
    "replay",
    "replay_account",
    "sweep",
    "to_vectorbt",
    "walkforward",
]

_LATER = {
    "AccountReplay": "account_result", "Member": "account_replay", "replay_account": "account_replay",
    "EngineSide": "parity_run", "Parity": "parity_run", "parity": "parity_run",
    "Quota": "sweep_price", "Report": "report", "compare": "report", "cost_sensitivity": "costs",
    "from_signals": "vectorbt_bridge", "monte_carlo_prices": "monte_carlo_prices",
    "monte_carlo_returns": "monte_carlo", "monte_carlo_trades": "monte_carlo", "price": "sweep_price",
    "sweep": "sweep", "to_vectorbt": "vectorbt_bridge", "walkforward": "walkforward",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule binds its name here; of two that name is also their function's, which is meant.
        if not (name in _LATER and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
