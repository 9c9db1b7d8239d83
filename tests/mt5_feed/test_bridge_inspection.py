"""The bridge lets in what the tenant's tier says, and what other symbols imply counts where the tier has it."""

import numpy as np
import pytest

from kernel_lib.market.instrument import Instrument, instrument
from kernel_lib.market.quality_config import Level
from kernel_lib.market.tick import TICK, Ticks, make_ticks
from mt5_feed.bridge_inspection import Inspection

_MONDAY_NS = 1_549_267_200 * 10**9  # 2019-02-04 08:00 UTC
_SATURDAY_NS = _MONDAY_NS - 2 * 86_400 * 10**9


def _ticks(n: int, bid: float = 1.1, start_ns: int = _MONDAY_NS, spread: float = 1e-4) -> Ticks:
    bids = bid * (1 + 1e-5 * (np.arange(n) % 3))
    return make_ticks(start_ns + 10**9 * np.arange(n), bids, bids + spread)


def _inspection(level: Level, *symbols: str, last: dict[str, np.void] | None = None) -> Inspection:
    return Inspection(level, "pc1", [instrument(each) for each in symbols or ("EURUSD",)], last or {})


@pytest.mark.parametrize(("level", "rules"), [("basic", ()), ("pro", ("spike",)), ("enterprise", ("spike",))])
def test_a_spike_is_refused_from_pro_on(level: Level, rules: tuple[str, ...]) -> None:
    ticks = _ticks(100)
    ticks["bid"][60] *= 1.1
    ticks["ask"][60] *= 1.1
    verdict, quality = _inspection(level).check("EURUSD", ticks, int(ticks["time_ns"][-1]))
    assert verdict.rules == rules
    assert 0.0 < quality <= 1.0


def test_however_blocks_are_cut_the_answers_are_the_same() -> None:
    ticks = _ticks(300)
    ticks["bid"][[70, 200]] *= 0.9
    whole, _ = _inspection("enterprise").check("EURUSD", ticks, int(ticks["time_ns"][-1]))
    cut = _inspection("enterprise")
    parts = [cut.check("EURUSD", ticks[at : at + 7], int(ticks["time_ns"][-1]))[0] for at in range(0, 300, 7)]
    assert np.concatenate([each.accepted for each in parts]).tobytes() == whole.accepted.tobytes()


@pytest.mark.parametrize("level", ["basic", "pro", "enterprise"])
def test_a_new_session_goes_on_after_the_last_tick_of_the_one_before(level: Level) -> None:
    ticks = _ticks(50)
    now_ns = int(ticks["time_ns"][-1])
    again = _inspection(level, last={"EURUSD": ticks[29]})
    verdict, _ = again.check("EURUSD", ticks[25:], now_ns)
    assert verdict.rules == ("out_of_order",) * 4 + ("repeated",)
    assert verdict.accepted.tobytes() == ticks[30:].tobytes()


def test_another_level_goes_on_after_the_last_tick() -> None:
    ticks = _ticks(50)
    now_ns = int(ticks["time_ns"][-1])
    first = _inspection("basic")
    first.check("EURUSD", ticks[:30], now_ns)
    second = first.at_level("enterprise")
    assert second.level == "enterprise"
    assert second.check("EURUSD", ticks[29:], now_ns)[0].rules == ("repeated",)


def test_a_weekend_is_closed_for_currencies_and_open_for_what_trades_on_it() -> None:
    ticks = _ticks(20, start_ns=_SATURDAY_NS)
    coin = Instrument(
        symbol="BTCUSD", digits=2, point=0.01, tick_size=0.01, contract_size=1.0, currency_base="BTC",
        currency_profit="USD", lot_step=0.01, min_lots=0.01, max_lots=10.0,
    )  # fmt: skip
    inspection = Inspection("pro", "pc1", [instrument("EURUSD"), coin], {})
    now_ns = int(ticks["time_ns"][-1])
    assert set(inspection.check("EURUSD", ticks, now_ns)[0].rules) == {"out_of_session"}
    assert inspection.check("BTCUSD", _ticks(20, 40_000.0, _SATURDAY_NS, 5.0), now_ns)[0].rules == ()


def test_a_quote_that_two_others_contradict_is_refused_at_enterprise_only() -> None:
    legs = {"EURUSD": 1.1, "GBPUSD": 1.25}
    wrong = _ticks(3, 1.1 / 1.25 * 1.01, _MONDAY_NS + 20 * 10**9)
    found = {}
    for level in ("pro", "enterprise"):
        inspection = _inspection(level, "EURGBP", "EURUSD", "GBPUSD")
        now_ns = _MONDAY_NS + 60 * 10**9
        for symbol, price in legs.items():
            assert inspection.check(symbol, _ticks(22, price), now_ns)[0].rules == ()
        found[level] = inspection.check("EURGBP", wrong, now_ns)[0].rules
    assert found == {"pro": (), "enterprise": ("parity",) * 3}


def test_garbage_is_named_at_every_level() -> None:
    garbage = np.zeros(4, TICK)
    garbage["time_ns"] = _MONDAY_NS + np.arange(4)
    garbage["bid"], garbage["ask"] = [np.nan, -1.0, 1.2, 0.0], [1.1, 1.1, 1.1, 1.1]
    expected = ("not_finite", "not_positive", "crossed", "not_positive")
    for level in ("basic", "pro", "enterprise"):
        verdict, quality = _inspection(level).check("EURUSD", garbage, _MONDAY_NS + 10**9)
        assert verdict.rules == expected
        assert np.isnan(quality)


def test_ticks_of_a_symbol_that_the_agent_did_not_name_are_refused() -> None:
    verdict, _ = _inspection("enterprise").check("XAUUSD", _ticks(2), _MONDAY_NS)
    assert verdict.rules == ("unknown_symbol",) * 2
