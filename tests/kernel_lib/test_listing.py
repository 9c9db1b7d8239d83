"""The catalogue lists what the packages hold and what a tier opens of it."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import kernel_lib
from kernel_lib import agents, features, models, strategies
from kernel_lib.errors import BadData
from kernel_lib.listing import catalogue
from kernel_lib.strategy import strategy


def test_every_feature_is_listed_with_a_line_about_it() -> None:
    listed = catalogue("feature", tier_name="pro")
    assert {each.name for each in listed} == set(features.CATALOGUE)
    assert all(each.about and "\n" not in each.about for each in listed)
    open_to_pro = {"bollinger", "bollinger_width", "ema", "macd", "outside", "price_change", "rsi", "sma"}
    assert {each.name for each in listed if each.open} == open_to_pro
    assert {each.tier for each in listed if not each.open} == {"enterprise"}


def test_a_strategy_is_open_where_all_its_features_are() -> None:
    needed = {each.name: each.tier for each in catalogue("strategy", tier_name="free")}
    assert needed["breakout"] == "enterprise"  # donchian and atr
    assert needed["rsi_reversion"] == "enterprise"  # rsi is pro, spread is not named by either
    assert needed["ma_cross"] == "pro"  # two ema


def test_a_strategy_of_a_panel_is_open_where_its_agents_are() -> None:
    (listed,) = [each for each in catalogue("strategy", tier_name="pro") if each.name == "consensus"]
    assert (listed.tier, listed.open) == ("pro", True)  # it asks the pro panel


@pytest.mark.parametrize(
    ("made", "needed"),
    [
        (lambda: agents.consensus("free"), "free"),
        (lambda: agents.consensus("pro"), "pro"),
        (lambda: agents.consensus("enterprise"), "enterprise"),
        (lambda: models.predicted("listed", bars="1m"), "pro"),  # a random forest
        (lambda: features.sma(20), "free"),
    ],
)
def test_what_a_strategy_reads_decides_its_tier(
    monkeypatch: pytest.MonkeyPatch, made: Callable[[], Any], needed: str
) -> None:
    rows = np.random.default_rng(1).normal(size=(120, 1))
    forest = models.RandomForest(trees=5).fit(rows, np.sign(rows[:, 0]), names=["mean"])
    models.keep("listed", forest.bundle(models.Facts(sources=("sma(window=20, bars='1m')",))))

    @strategy(on="1m", features={"seen": made()})
    def listed(x, position, p):  # type: ignore[no-untyped-def]
        return 0.0

    monkeypatch.setitem(strategies.CATALOGUE, "listed", listed)
    (found,) = [each for each in catalogue("strategy", tier_name="free") if each.name == "listed"]
    assert found.tier == needed


def test_enterprise_opens_everything() -> None:
    listed = catalogue(tier_name="enterprise")
    assert all(each.open for each in listed)
    assert "entries are open to the enterprise tier" in repr(listed)


def test_without_a_platform_to_ask_no_entry_claims_to_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUPYTERHUB_API_TOKEN", "TICKHUB_URL", "TICKHUB_SERVICES"):
        monkeypatch.delenv(name, raising=False)
    listed = kernel_lib.catalogue("feature")
    assert {each.open for each in listed} == {None}
    assert "not known here" in repr(listed)


def test_it_is_shown_as_a_table_with_the_tier_needed() -> None:
    shown = catalogue("feature", tier_name="free")._repr_html_()
    assert shown.count("<tr") == len(features.CATALOGUE) + 1
    assert "closed" in shown
    assert list(catalogue("feature", tier_name="free").frame.columns) == ["kind", "name", "about", "tier", "open"]


@pytest.mark.parametrize(("kind", "tier_name"), [("broker", "free"), ("feature", "platinum")])
def test_an_unknown_kind_or_tier_is_bad_data(kind: str, tier_name: str) -> None:
    with pytest.raises(BadData, match="must be one of"):
        catalogue(kind, tier_name=tier_name)


def test_importing_the_library_loads_nothing_heavy() -> None:
    heavy = ["numpy", "numba", "pandas", "scipy", "sklearn", "skfolio", "matplotlib", "torch"]
    code = f"import kernel_lib, sys; print([each for each in {heavy} if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
