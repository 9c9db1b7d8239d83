"""Processing follows the tier: level of validation, open features, what is kept."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.errors import Misconfigured, Refused
from kernel_lib.features.custom import feature
from kernel_lib.market.quality import TickQuality
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.processing import process, storage_policy
from kernel_lib.tiers import TIERS


def spiked() -> Ticks:
    mid = 1.1 + 1e-5 * (np.arange(100) % 4)
    mid[60] = 1.2
    return make_ticks(1_399_248_000 * 10**9 + 10**9 * np.arange(100), mid - 5e-5, mid + 5e-5)


@pytest.mark.parametrize(("name", "refused"), [("free", 0), ("pro", 1), ("enterprise", 1)])
def test_ticks_are_validated_at_the_tiers_level(name: str, refused: int) -> None:
    done = process(spiked(), {"mean": f.sma(5)}, TIERS[name])
    assert done.report.level == TIERS[name].validation
    assert sum(done.report.refused.values()) == refused
    assert len(done.ticks) == len(done.quality) == len(done.features["mean"]) == 100 - refused
    np.testing.assert_array_equal(done.features["mean"], f.sma(5)(done.ticks))


def test_a_feature_beyond_the_tier_is_refused_with_the_tier_needed() -> None:
    with pytest.raises(Refused, match="the features atr, rsi need the enterprise tier"):
        process(spiked(), {"a": f.rsi(14), "b": f.atr(14), "c": f.sma(3)}, TIERS["free"])
    assert set(process(spiked(), {"a": f.rsi(14)}, TIERS["pro"]).features) == {"a"}


def test_a_feature_of_the_tenants_own_is_open_to_every_tier() -> None:
    @feature(state=1)
    def doubled(state, bar):  # type: ignore[no-untyped-def]
        return 2.0 * bar.close

    done = process(spiked(), {"own": doubled()}, TIERS["free"])
    assert done.features["own"][0] == pytest.approx(2.2)


def test_what_is_kept_grows_with_the_tier() -> None:
    assert [storage_policy(each).stores for each in TIERS.values()] == [
        ("ticks", "live"),
        ("ticks", "accounts", "live"),
        ("ticks", "accounts", "research", "live"),
    ]


def test_blocks_go_on_where_the_last_one_ended() -> None:
    quality = TickQuality("pro", symbol="EURUSD")
    for block in np.split(spiked(), [30, 61]):
        done = process(block, {}, TIERS["pro"], quality=quality)
    assert done.report.refused["spike"] == 1
    assert done.report.n_seen == 100
    assert "kept in: ticks, accounts, live" in done._repr_html_()
    with pytest.raises(Misconfigured, match="enterprise tier validates at enterprise"):
        process(spiked(), {}, TIERS["enterprise"], quality=quality)
