"""Whether a tier opens the panels that a strategy uses, read off its passport without running anything."""

import re

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
        asked = tier(str(given.get("tier", "pro")))
        chosen = tuple(given.get("agents", ())) or tuple(name for name in CATALOGUE if opens(asked, "agent", name))
        if not given.get("agents"):
            require(held, asked.name, f"the panel of {len(chosen)} agents")
        require_agents(held, chosen)


#: One argument as a feature's repr writes it: a plain word in quotes, a tuple of such, or a number.
_ARGUMENT = re.compile(r"(\w+)=(?:'([\w.:-]*)'|\(((?:'[\w.:-]*',? ?)*)\)|-?[\d.]+)(?:, |$)")


def _arguments(made: str) -> dict[str, str | tuple[str, ...]]:
    # By pattern: what a tenant wrote is not parsed as code, not even to look at it.
    found: dict[str, str | tuple[str, ...]] = {}
    inside, at = made[len("consensus(") : -1], 0
    while at < len(inside) and made.endswith(")") and len(made) < 4_000:
        match = _ARGUMENT.match(inside, at)
        if match is None:
            break
        name, word, words = match.groups()
        if word is not None or words is not None:
            found[name] = word if word is not None else tuple(re.findall(r"'([\w.:-]*)'", words))
        at = match.end()
    if at < len(inside):
        raise BadData(f"a consensus must be listed as consensus(tier='pro', ...), it was {made[:100]!r}")
    return found
