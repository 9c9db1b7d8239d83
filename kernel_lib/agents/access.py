"""Whether a tier opens the panels that a strategy uses, read off its passport without running anything."""

import ast
from typing import Any

from kernel_lib.agents.catalogue import CATALOGUE
from kernel_lib.errors import BadData
from kernel_lib.tiers import Tier, opens, require, require_agents, tier

__all__ = ["require_panels"]


def require_panels(held: Tier, *features: str) -> None:
    """Refuse, naming the tier needed, where a consensus among the features asks agents that the tier does not open.

    Parameters
    ----------
    held : Tier
        The tenant's.
    features : str
        Each as a passport lists it, ``"panel = consensus(tier='pro', bars='5m')"``; others than the consensus pass.

    Raises
    ------
    Refused
        Code ``tier``.
    BadData
        A consensus that is not written as its ``repr`` is.

    >>> from kernel_lib.tiers import TIERS
    >>> require_panels(TIERS["pro"], "panel = consensus(tier='pro', horizon=6, bars='5m')", "fast = ema(span=12)")
    """
    for feature in features:
        made = feature.partition(" = ")[2] or feature
        if not made.startswith("consensus("):
            continue
        given = _arguments(made)
        asked = tier(given.get("tier", "pro"))
        chosen = tuple(given.get("agents", ())) or tuple(name for name in CATALOGUE if opens(asked, "agent", name))
        if not given.get("agents"):
            require(held, asked.name, f"the panel of {len(chosen)} agents")
        require_agents(held, chosen)


def _arguments(made: str) -> dict[str, Any]:
    try:
        call = ast.parse(made, mode="eval").body
        plain = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args
        if not isinstance(call, ast.Call) or not plain or any(each.arg is None for each in call.keywords):
            raise ValueError("no plain call by name")
        return {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadData(f"a consensus must be listed as consensus(tier='pro', ...), it was {made[:100]!r}") from error
