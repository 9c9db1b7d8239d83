"""Validation by tier: every rule refuses by name, clean recorded data passes, cuts into blocks change nothing."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_lib.errors import Misconfigured
from kernel_lib.market.quality import TickQuality
from kernel_lib.market.quality_config import LEVEL_RULES, QualityConfig
from kernel_lib.market.rules_session import always_open, forex_weeks
from kernel_lib.market.rules_window import make_window, push_window, window_mad, window_median
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.market.validation import RULES, Validator
from kernel_lib.tiers import TIERS

SECOND = 10**9
MONDAY = 1_399_248_000 * SECOND  # 2014-05-05T00:00Z
FRIDAY_CLOSE = 1_399_064_400 * SECOND  # 2014-05-02T21:00Z, 17:00 in New York
SUNDAY_OPEN = 1_399_237_200 * SECOND  # 2014-05-04T21:00Z


def calm(n: int = 200, start: int = MONDAY) -> Ticks:
    rng = np.random.default_rng(8)
    mid = 1.1 + np.cumsum(rng.choice([-1e-5, 0.0, 1e-5], n))
    return make_ticks(start + SECOND * np.arange(n), mid - 5e-5, mid + 5e-5)


def refusals(level: Any, ticks: Ticks, **settings: Any) -> list[tuple[int, str]]:
    verdict = TickQuality(level, QualityConfig(**settings)).check(ticks)
    return list(zip(verdict.refused.tolist(), verdict.rules, strict=True))


@pytest.mark.parametrize("level", ["pro", "enterprise"])
def test_calm_ticks_pass_with_high_quality(level: Any) -> None:
    verdict = TickQuality(level).check(calm())
    assert verdict.rules == ()
    assert verdict.accepted.shape == (200,)
    assert verdict.quality.min() > 0.9
    assert verdict.quality.max() <= 1.0


def test_the_levels_are_those_of_the_tiers_and_cumulative() -> None:
    assert [each.validation for each in TIERS.values()] == list(LEVEL_RULES)
    assert LEVEL_RULES["basic"] == RULES
    assert set(LEVEL_RULES["basic"]) < set(LEVEL_RULES["pro"]) < set(LEVEL_RULES["enterprise"])


def test_a_spike_is_refused_and_what_follows_is_not() -> None:
    ticks = calm()
    for side in ("bid", "ask"):
        ticks[side][100] += 0.01
    assert refusals("basic", ticks) == []
    assert refusals("pro", ticks) == [(100, "spike")]
    assert refusals("enterprise", ticks) == [(100, "spike")]


def test_a_level_that_others_confirm_is_the_market() -> None:
    ticks = calm()
    for side in ("bid", "ask"):
        ticks[side][100:] += 0.01
    verdict = TickQuality("pro").check(ticks)
    assert (verdict.refused.tolist(), verdict.rules) == ([100, 101], ("spike", "spike"))
    assert (verdict.noted.tolist(), verdict.notes) == ([102], ("new_level",))


def test_spikes_to_different_places_never_confirm_each_other() -> None:
    ticks = calm()
    for index in range(100, 120):
        for side in ("bid", "ask"):
            ticks[side][index] += 0.01 * (index - 95) * (-1) ** index
    assert [index for index, _ in refusals("pro", ticks)] == list(range(100, 120))


def test_a_wide_spread_is_refused_until_it_is_the_usual_one() -> None:
    ticks = calm()
    ticks["ask"][100] += 1.5e-3
    ticks["bid"][100] -= 1.5e-3
    assert refusals("pro", ticks) == [(100, "wide_spread")]
    ticks["ask"][101:] += 1.5e-3
    ticks["bid"][101:] -= 1.5e-3
    assert refusals("pro", ticks) == [(100, "wide_spread"), (101, "wide_spread")]


def test_a_quote_that_repeats_itself_too_long_is_stale() -> None:
    ticks = calm()
    ticks["bid"][50:150], ticks["ask"][50:150] = ticks["bid"][50], ticks["ask"][50]
    first = int(np.flatnonzero((ticks["bid"] == ticks["bid"][50]) & (np.arange(200) <= 50))[0])
    stale = [index for index, rule in refusals("pro", ticks, stale_after_s=60.0) if rule == "stale"]
    assert stale[0] >= first + 61
    assert stale[-1] == 149
    assert len(stale) >= 38


def test_a_tick_on_the_weekend_is_out_of_session() -> None:
    ticks = calm(20, FRIDAY_CLOSE - 10 * SECOND + 300 * SECOND)
    assert refusals("pro", ticks) == [(index, "out_of_session") for index in range(10, 20)]
    assert refusals("basic", ticks) == []
    never_closed = TickQuality("pro", sessions=always_open()).check(ticks)
    assert never_closed.rules == ()


def test_the_weekend_is_no_gap_and_its_jump_is_no_spike() -> None:
    friday, sunday = calm(100, FRIDAY_CLOSE - 100 * SECOND), calm(100, SUNDAY_OPEN)
    for side in ("bid", "ask"):
        sunday[side] += 0.02
    verdict = TickQuality("enterprise").check(np.concatenate([friday, sunday]))
    assert (verdict.rules, verdict.notes) == ((), ())


def test_a_gap_in_open_hours_is_noted_and_halves_the_quality() -> None:
    ticks = calm()
    ticks["time_ns"][100:] += 301 * SECOND
    verdict = TickQuality("pro").check(ticks)
    assert (verdict.rules, verdict.noted.tolist(), verdict.notes) == ((), [100], ("gap",))
    assert verdict.quality[100] == 0.5


def test_a_move_that_volatility_does_not_allow_is_refused_by_enterprise_only() -> None:
    # A slow drift widens the window of the median, so a jump of six pips hides in it, but not from the tick's own move.
    n = 400
    mid = 1.1 + 1e-5 * np.arange(n)
    mid[300:] += 1.2e-3
    ticks = make_ticks(MONDAY + SECOND * np.arange(n), mid - 5e-6, mid + 5e-6)
    assert refusals("pro", ticks) == []
    assert refusals("enterprise", ticks) == [(300, "volatility_bounds"), (301, "volatility_bounds")]


def test_the_bounds_widen_with_the_time_since_the_last_tick() -> None:
    n = 400
    mid = 1.1 + 1e-5 * np.arange(n)
    mid[300:] += 1.2e-3
    ticks = make_ticks(MONDAY + SECOND * np.arange(n), mid - 5e-6, mid + 5e-6)
    ticks["time_ns"][300:] += 250 * SECOND
    assert refusals("enterprise", ticks) == []


def test_a_quote_that_others_contradict_breaks_parity() -> None:
    ticks = calm()
    bid, ask = ticks["bid"] - 1e-5, ticks["ask"] + 1e-5
    bid[80:83], ask[80:83] = bid[80:83] + 0.01, ask[80:83] + 0.01
    bid[150] = ask[150] = np.nan
    verdict = TickQuality("enterprise").check(ticks, implied=(bid, ask))
    assert (verdict.refused.tolist(), verdict.rules) == ([80, 81, 82], ("parity",) * 3)
    assert TickQuality("pro").check(ticks, implied=(bid, ask)).rules == ()


def test_a_source_that_errs_too_often_is_refused_until_it_has_mended() -> None:
    quality = TickQuality("enterprise", QualityConfig(reliability_ticks=20))
    good = calm(400)
    bad = good[100:130].copy()
    bad["ask"] = bad["bid"] - 1.0
    quality.check(good[:100], source="a")
    assert quality.check(bad, source="a").rules == ("crossed",) * 30
    assert quality.reliability["a"] < 0.5
    after = quality.check(good[130:200], source="a")
    assert after.rules[0] == "unreliable_source"
    assert len(after.accepted) > 30
    assert np.all(np.diff(after.quality[-20:]) > -0.05)
    assert quality.check(good[200:210], source="b").rules == ()


def test_quality_falls_as_a_limit_comes_near() -> None:
    ticks = calm()
    ticks["ask"][100] += 6e-4
    verdict = TickQuality("pro").check(ticks)
    # The spread uses 0.7 of its limit of ten usual ones, and the mid moved by three spreads of the ten allowed.
    assert verdict.rules == ()
    assert verdict.quality[100] == pytest.approx((1 - 0.7**2 / 2) * (1 - 0.5 * 0.3**2), abs=0.05)
    assert verdict.quality[100] < verdict.quality[:100].min()


def test_the_window_is_numpys_median_and_mad() -> None:
    rng = np.random.default_rng(0)
    numbers = np.round(rng.normal(0, 1, 300), 1)
    window = make_window(16)
    for index, number in enumerate(numbers):
        push_window(window, number)
        held = numbers[max(0, index - 15) : index + 1]
        assert window_median(window) == pytest.approx(np.median(held), abs=1e-12)
        assert window_mad(window) == pytest.approx(np.median(np.abs(held - np.median(held))), abs=1e-12)
    assert math.isnan(window_median(make_window(16)))


def test_the_forex_week_follows_new_yorks_clock() -> None:
    opens, closes = forex_weeks()
    assert FRIDAY_CLOSE in closes
    assert SUNDAY_OPEN in opens
    winter_open = int(np.datetime64("2014-01-05T22:00", "ns").astype("int64"))
    assert winter_open in opens
    assert np.all(opens[1:] > closes[:-1])


@pytest.mark.parametrize(
    "change", [{"window": 8}, {"least_ticks": 100}, {"spread_factor": 0.0}, {"stale_after_s": math.nan}]
)
def test_a_configuration_that_cannot_work_is_refused(change: Any) -> None:
    with pytest.raises(Misconfigured):
        TickQuality("pro", QualityConfig(**change))
    with pytest.raises(Misconfigured, match="basic, pro, enterprise"):
        TickQuality("gold")  # type: ignore[arg-type]


def test_the_report_counts_names_and_shows_examples() -> None:
    ticks = calm()
    ticks["bid"][50:60] = np.nan
    ticks["bid"][100] += 0.01
    ticks["ask"][100] += 0.01
    quality = TickQuality("enterprise", symbol="EURUSD")
    quality.check(ticks, source="demo")
    report = quality.report()
    assert (report.n_seen, report.n_accepted) == (200, 189)
    assert report.refused["not_finite"] == 10
    assert report.refused["spike"] == 1
    assert report.refused_share == pytest.approx(11 / 200)
    assert [each.number for each in report.examples] == [50, 51, 52, 53, 54, 100]
    assert report.examples[-1].source == "demo"
    assert "spike: 1 refused" in str(report)
    assert "2014-05-05 00:01:40" in report._repr_html_()
    assert report.plot().axes
    assert 0.9 < report.mean_quality < 1.0


def test_silence_counts_open_hours_only() -> None:
    quality = TickQuality("pro")
    assert math.isnan(quality.silent_s(MONDAY))
    quality.check(calm(10, FRIDAY_CLOSE - 20 * SECOND))
    assert quality.silent_s(FRIDAY_CLOSE - 5 * SECOND) == pytest.approx(6.0)
    assert quality.silent_s(SUNDAY_OPEN - SECOND) == pytest.approx(11.0)
    assert quality.silent_s(SUNDAY_OPEN + 60 * SECOND) == pytest.approx(71.0)


def test_an_empty_block_and_an_empty_report() -> None:
    quality = TickQuality("pro")
    assert len(quality.check(calm(0)).accepted) == 0
    assert quality.report().refused_share == 0.0
    assert math.isnan(quality.report().mean_quality)


_FAULT = st.sampled_from(["none"] * 12 + ["spike", "wide", "nan", "crossed", "late", "same", "gap", "shift", "huge"])


def _faulty(faults: list[str]) -> Ticks:
    ticks = calm(len(faults))
    for index, fault in enumerate(faults):
        if fault in ("spike", "shift"):
            part = slice(index, index + 1) if fault == "spike" else slice(index, None)
            ticks["bid"][part] += 0.01
            ticks["ask"][part] += 0.01
        elif fault == "wide":
            ticks["ask"][index] += 0.002
        elif fault == "nan":
            ticks["bid"][index] = np.nan
        elif fault == "crossed":
            ticks["bid"][index] += 1.0
        elif fault == "late":
            ticks["time_ns"][index] -= 50 * SECOND
        elif fault == "same" and index:
            ticks[index] = ticks[index - 1]
        elif fault == "gap":
            ticks["time_ns"][index:] += 400 * SECOND
        elif fault == "huge":
            ticks["bid"][index], ticks["ask"][index] = 1e308, 1.7e308
    return ticks


@pytest.mark.parametrize("level", ["basic", "pro", "enterprise"])
@settings(max_examples=60, deadline=None)
@given(faults=st.lists(_FAULT, min_size=1, max_size=120), cuts=st.lists(st.integers(0, 120), max_size=6))
def test_any_cut_into_blocks_gives_the_same(level: Any, faults: list[str], cuts: list[int]) -> None:
    ticks = _faulty(faults)
    whole = TickQuality(level)
    expected = whole.check(ticks)
    cut, at = TickQuality(level), 0
    quality: list[float] = []
    refused: list[int] = []
    noted: list[int] = []
    rules: list[str] = []
    notes: list[str] = []
    for block in np.split(ticks, sorted(min(each, len(ticks)) for each in cuts)):
        verdict = cut.check(block)
        quality += verdict.quality.tolist()
        refused += (verdict.refused + at).tolist()
        noted += (verdict.noted + at).tolist()
        rules += verdict.rules
        notes += verdict.notes
        at += len(block)
    assert (refused, tuple(rules)) == (expected.refused.tolist(), expected.rules)
    assert (noted, tuple(notes)) == (expected.noted.tolist(), expected.notes)
    assert quality == expected.quality.tolist()
    assert whole.report().refused == cut.report().refused
    assert all(0.0 < each <= 1.0 for each in quality)


@settings(max_examples=100, deadline=None)
@given(faults=st.lists(_FAULT, min_size=1, max_size=60), ahead=st.sampled_from([None, 10, 100]))
def test_basic_is_the_validator_that_the_bridge_runs(faults: list[str], ahead: int | None) -> None:
    ticks = _faulty(faults)
    now_ns = None if ahead is None else MONDAY + ahead * SECOND
    ours, theirs = TickQuality("basic").check(ticks, now_ns), Validator().check(ticks, now_ns)
    assert (ours.refused.tolist(), ours.rules) == (theirs.refused.tolist(), theirs.rules)
    assert ours.accepted.tobytes() == theirs.accepted.tobytes()
    assert ours.quality.tolist() == [1.0] * len(theirs.accepted)


@pytest.mark.parametrize("name", ["EURUSD_oanda", "NZDUSD_oanda"])
def test_recorded_ticks_pass_through_a_payrolls_week_and_planted_spikes_do_not(data_dir: Path, name: str) -> None:
    pd = pytest.importorskip("pandas")
    path = data_dir / f"ticks/{name}_20140501_20140507_utc.parquet"
    if not path.is_file():
        pytest.skip(f"recorded ticks are absent: {path}")
    frame = pd.read_parquet(path)
    ticks = make_ticks(frame["time"].dt.as_unit("ns").astype("int64"), frame["bid"], frame["ask"])
    ticks = ticks[Validator().check(ticks).refused.size :]
    clean = TickQuality("enterprise")
    clean.check(ticks)
    assert clean.report().refused_share < 1e-4
    places = np.arange(1000, len(ticks), 997)
    for side in ("bid", "ask"):
        ticks[side][places] *= 1.003
    verdict = TickQuality("enterprise").check(ticks)
    caught = set(verdict.refused.tolist())
    assert np.mean([place in caught for place in places.tolist()]) > 0.99
    assert len(caught) < len(places) + 50
