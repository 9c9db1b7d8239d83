"""A tier's agents hold for a promoted strategy too: its passport says which panel it asks."""

import subprocess
import sys

import pytest

from kernel_lib import agents
from kernel_lib.agents.access import require_panels
from kernel_lib.errors import BadData, Refused
from kernel_lib.tiers import TIERS


def listed(panel: object) -> str:
    return f"panel = {panel!r}"


@pytest.mark.parametrize(("asked", "opened_by"), [("free", 3), ("pro", 2), ("enterprise", 1)])
def test_a_panel_is_open_from_its_tier_on(asked: str, opened_by: int) -> None:
    text = listed(agents.consensus(asked, bars="1m", symbol="EURUSD"))
    for held in list(TIERS.values())[-opened_by:]:
        require_panels(held, text)
    for held in list(TIERS.values())[:-opened_by]:
        with pytest.raises(Refused, match=asked):
            require_panels(held, text)


def test_chosen_agents_are_open_where_the_tier_has_room_for_them() -> None:
    one_more = listed(agents.consensus("enterprise", agents=["market_analysis", "news_sentiment"]))
    two_more = listed(agents.consensus("enterprise", agents=["news_sentiment", "data_quality"]))
    require_panels(TIERS["pro"], one_more)
    with pytest.raises(Refused, match="enterprise"):
        require_panels(TIERS["pro"], one_more, two_more)
    with pytest.raises(Refused, match="enterprise"):
        require_panels(TIERS["free"], one_more)


def test_other_features_pass_and_a_forged_listing_is_refused() -> None:
    require_panels(TIERS["free"], "fast = ema(span=12)", "own = consensus_of_mine(x=1)")
    for forged in (
        "consensus(tier='pro'",
        "consensus('enterprise')",
        "consensus(tier=open('x'))",
        "consensus()()",
        "consensus(**{'tier': 'free'})",
    ):
        with pytest.raises(BadData, match="must be listed"):
            require_panels(TIERS["enterprise"], f"panel = {forged}")


def test_importing_the_agents_loads_nothing_heavy() -> None:
    heavy = ["numpy", "numba", "pandas", "onnxruntime", "httpx", "sklearn", "matplotlib"]
    code = f"import kernel_lib.agents, sys; print([each for each in {heavy} if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
