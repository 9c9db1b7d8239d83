"""The basic rules name what is wrong, and do not depend on how a sequence is cut into blocks."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.market.validation import RULES, Validator

GOOD = (1_000, 1.10, 1.20)


def _ticks(*rows: tuple[int, float, float]) -> Ticks:
    return make_ticks([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ((1_001, math.nan, 1.2), "not_finite"),
        ((1_001, 1.1, math.nan), "not_finite"),
        ((1_001, 1.1, math.inf), "not_finite"),
        ((1_001, -math.inf, 1.2), "not_finite"),
        ((1_001, 0.0, 1.2), "not_positive"),
        ((1_001, 1.1, 0.0), "not_positive"),
        ((1_001, -1.1, -1.0), "not_positive"),
        ((1_001, 1.3, 1.2), "crossed"),
        ((999, 1.1, 1.2), "out_of_order"),
        ((1_000, 1.1, 1.2), "repeated"),
        ((10_000_000_000, 1.1, 1.2), "from_the_future"),
    ],
)
def test_a_bad_tick_is_refused_by_name_and_the_next_good_one_passes(bad: tuple[int, float, float], rule: str) -> None:
    validator = Validator()
    verdict = validator.check(_ticks(GOOD, bad, (1_002, 1.10, 1.20)), now_ns=1_000)
    assert verdict.refused.tolist() == [1]
    assert verdict.rules == (rule,)
    assert verdict.counts == {rule: 1}
    assert validator.counts[rule] == 1
    assert verdict.accepted["time_ns"].tolist() == [1_000, 1_002]


def test_same_time_with_another_price_is_a_burst_not_a_repetition() -> None:
    verdict = Validator().check(_ticks(GOOD, (1_000, 1.11, 1.20), GOOD))
    assert verdict.rules == ()
    assert len(verdict.accepted) == 3


def test_a_refused_tick_leaves_no_trace_in_the_state() -> None:
    validator = Validator()
    validator.check(_ticks(GOOD))
    validator.check(_ticks((5_000, math.nan, 1.2)))
    assert len(validator.check(_ticks((2_000, 1.1, 1.2))).accepted) == 1


def test_the_future_is_not_asked_about_without_a_clock() -> None:
    assert len(Validator().check(_ticks((2**62, 1.1, 1.2)), now_ns=None).accepted) == 1


def test_a_clean_block_is_handed_through_without_a_copy() -> None:
    block = _ticks(GOOD, (1_001, 1.1, 1.2))
    assert Validator().check(block).accepted is block


def test_an_empty_block_is_accepted() -> None:
    assert len(Validator().check(_ticks()).accepted) == 0


def _one_by_one(ticks: Ticks, now_ns: int | None) -> list[str]:
    """The rules written plainly, as an independent statement of what must come out."""
    answer, last = [], None
    for tick in ticks:
        time, bid, ask = int(tick["time_ns"]), float(tick["bid"]), float(tick["ask"])
        if not (math.isfinite(bid) and math.isfinite(ask)):
            rule = "not_finite"
        elif bid <= 0 or ask <= 0:
            rule = "not_positive"
        elif bid > ask:
            rule = "crossed"
        elif now_ns is not None and time > now_ns + 2_000_000_000:
            rule = "from_the_future"
        elif last is not None and time < last[0]:
            rule = "out_of_order"
        elif last == (time, bid, ask):
            rule = "repeated"
        else:
            rule, last = "", (time, bid, ask)
        answer.append(rule)
    return answer


_PRICE = st.sampled_from([1.0, 1.1, 1.2, 0.0, -1.0, math.nan, math.inf, -math.inf])
_ROW = st.tuples(st.integers(0, 6).map(lambda n: n * 1_000_000_000), _PRICE, _PRICE)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(_ROW, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    now_ns=st.sampled_from([None, 3_000_000_000]),
)
def test_any_cut_into_blocks_gives_what_the_plain_rules_give(
    rows: list[tuple[int, float, float]], cuts: list[int], now_ns: int | None
) -> None:
    ticks = _ticks(*rows)
    validator, got = Validator(), []
    for block in np.split(ticks, sorted(min(cut, len(rows)) for cut in cuts)):
        verdict = validator.check(block, now_ns)
        rules = [""] * len(block)
        for index, rule in zip(verdict.refused.tolist(), verdict.rules, strict=True):
            rules[index] = rule
        assert len(verdict.accepted) == rules.count("")
        got += rules
    assert got == _one_by_one(ticks, now_ns)
    assert set(validator.counts) == set(RULES)
