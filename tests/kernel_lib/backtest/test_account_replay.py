"""An account of one is a replay; of many, each does what it does alone; what is wrong is named before the run."""

from pathlib import Path

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import AccountReplay, Member, replay, replay_account
from kernel_lib.backtest.account_merge import merged
from kernel_lib.errors import BadData, Misconfigured
from kernel_lib.importers import read_ticks
from kernel_lib.market.bars import bars
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategies import CATALOGUE
from kernel_lib.strategy import Strategy, strategy
from kernel_lib.trading.account import AccountConfig, RiskLimits
from kernel_lib.trading.record import Reason
from tests.kernel_lib.backtest.account_cases import EURJPY, holds, quotes
from tests.kernel_lib.backtest.test_outside import contrarian, summed
from tests.kernel_lib.backtest.test_replay import COSTS, walk

RICH = AccountConfig(deposit=1e8, rates={"JPY": 0.01})
EURO = walk(4_000, seed=5)


def yen(n_ticks: int = 4_000, seed: int = 7) -> Ticks:
    ticks = walk(n_ticks, seed)
    return make_ticks(ticks["time_ns"], np.round(ticks["bid"] * 100, 3), np.round(ticks["ask"] * 100, 3))


@pytest.mark.parametrize("hedging", [False, True], ids=["netting", "hedging"])
@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_member_alone_gives_the_very_bytes_of_a_replay_on_a_real_day(
    data_dir: Path, name: str, hedging: bool
) -> None:
    ticks = read_ticks(data_dir / "ticks" / "EURUSD_dukascopy_20190204_utc.csv.gz").ticks
    account = AccountConfig(hedging=hedging)
    alone = replay(CATALOGUE[name], ticks, account=account, costs=COSTS)
    run = replay_account([Member(CATALOGUE[name], "EURUSD")], {"EURUSD": ticks}, account=account, costs=COSTS)
    assert run.members[0].events.tobytes() == alone.events.tobytes()
    assert run.equity.tobytes() == alone.equity.tobytes()
    assert run.members[0].book.snapshot() == alone.book.snapshot()
    assert run.report().statistics == pytest.approx(
        {**alone.report().statistics, "margin_calls_count": 0, "stop_outs_count": 0}, nan_ok=True, rel=1e-12
    )


def test_a_member_alone_that_nearly_loses_all_gives_the_bytes_of_a_replay() -> None:
    account = AccountConfig(deposit=120.0)
    limits = RiskLimits(daily_loss_fraction=0.2)
    alone = replay(CATALOGUE["ma_cross"], walk(), account=account, limits=limits, costs=COSTS)
    run = replay_account(
        [Member(CATALOGUE["ma_cross"], "EURUSD")], {"EURUSD": walk()}, account=account, limits=limits, costs=COSTS
    )
    assert set(alone.events["reason"].tolist()) & {int(Reason.DAILY_LOSS), int(Reason.NO_MARGIN)}
    assert run.members[0].events.tobytes() == alone.events.tobytes()
    assert run.equity.tobytes() == alone.equity.tobytes()


def mixed() -> tuple[list[Member], dict[str, Ticks]]:
    members = [
        Member(CATALOGUE["ma_cross"], "EURUSD", name="cross"),
        Member(CATALOGUE["ma_cross"], "USDJPY", name="cross yen", params={"fast": 20, "slow": 60}),
        Member(CATALOGUE["ma_cross"], "EURUSD", name="slow cross", params={"fast": 30, "slow": 90}),
        Member(contrarian(summed()), "EURUSD", name="evaluated"),
    ]
    return members, {"EURUSD": EURO, "USDJPY": yen()}


def test_members_of_a_rich_account_do_each_what_they_do_alone() -> None:
    members, ticks = mixed()
    run = replay_account(members, ticks, account=RICH, costs=COSTS)
    for each in members:
        alone = replay(
            each.strategy, ticks[each.instrument], instrument=each.instrument, account=RICH, costs=COSTS,
            params=each.params,
        )  # fmt: skip
        assert run[each.name].events.tobytes() == alone.events.tobytes(), each.name
        assert len(alone.events) > 3
    assert run.numbers["balance_minor"] - run.numbers["deposit_minor"] == sum(
        each.book.numbers["balance_minor"] - run.numbers["deposit_minor"] for each in run.members
    )


def test_the_order_of_members_and_of_symbols_changes_nothing_while_there_is_margin_for_all() -> None:
    members, ticks = mixed()
    run = replay_account(members[:3], ticks, account=RICH, costs=COSTS)
    again = replay_account(members[2::-1], dict(reversed(ticks.items())), account=RICH, costs=COSTS)
    assert again.equity.tobytes() == run.equity.tobytes()
    assert again.numbers == run.numbers
    for each in run.members:
        assert again[each.name].events.tobytes() == each.events.tobytes()
        assert again[each.name].equity.tobytes() == each.equity.tobytes()


def test_a_decision_that_numba_cannot_compile_gives_the_same_rows() -> None:
    def plain(x, position, p):  # type: ignore[no-untyped-def]
        return float({True: "1", False: "-1"}[x.fast > x.slow])

    def compiled(x, position, p):  # type: ignore[no-untyped-def]
        return 1.0 if x.fast > x.slow else -1.0

    features = {"fast": f.ema(10), "slow": f.ema(50)}

    def events(decide: object) -> bytes:
        chosen: Strategy = strategy(on="tick", features=features)(decide)  # type: ignore[arg-type]
        members = [Member(holds(0.1), "EURUSD"), Member(chosen, "EURUSD", name="asked")]
        return replay_account(members, {"EURUSD": EURO[:2_000]}, costs=COSTS)["asked"].events.tobytes()

    assert events(plain) == events(compiled)


def test_a_value_from_outside_reaches_its_member() -> None:
    @strategy(on="tick", features={"view": f.outside("view")})
    def follows(x, position, p):  # type: ignore[no-untyped-def]
        return x.view

    ticks = quotes((0, 1.25, 1.25), (1, 1.25, 1.25), (2, 1.25, 1.25), (3, 1.25, 1.25))
    told = {"view": (ticks["time_ns"][[1, 3]], np.array([1.0, 0.0]))}
    run = replay_account([Member(follows, "EURUSD", outside=told)], {"EURUSD": ticks}, costs=COSTS)
    alone = replay(follows, ticks, costs=COSTS, outside=told)
    assert run.members[0].events.tobytes() == alone.events.tobytes()
    assert len(alone.events) > 2


@strategy(on="tick", features={"last": f.ema(1)}, params={"at_ns": 0})
def breaks(x, position, p):  # type: ignore[no-untyped-def]
    if x.time_ns >= p.at_ns:
        raise ValueError("no more")
    return 1.0


def test_a_member_that_raises_holds_what_it_has_and_the_others_go_on() -> None:
    at_ns = int(EURO["time_ns"][1_000])
    member = Member(breaks, "EURUSD", name="breaks", params={"at_ns": at_ns})
    cross = Member(CATALOGUE["ma_cross"], "EURUSD", name="cross")
    run = replay_account([member, cross], {"EURUSD": EURO}, account=RICH, costs=COSTS)
    alone = replay(breaks, EURO, account=RICH, costs=COSTS, params={"at_ns": at_ns})
    assert run["breaks"].events.tobytes() == alone.events.tobytes()
    assert run["breaks"].fault == alone.fault
    assert "tick 1000" in run["breaks"].fault
    assert "ValueError: no more" in run["breaks"].fault
    assert run.fault == f"breaks: {alone.fault}"
    assert any("no more" in each for each in run.report().honesty.warnings)
    assert (
        run["cross"].events.tobytes() == replay(CATALOGUE["ma_cross"], EURO, account=RICH, costs=COSTS).events.tobytes()
    )
    assert run["breaks"].book.numbers["long_units"] > 0


def test_a_target_out_of_range_puts_only_its_member_out() -> None:
    run = replay_account(
        [Member(holds(0.1, side=2.0), "EURUSD", name="wrong"), Member(holds(0.1), "EURUSD", name="right")],
        {"EURUSD": quotes((0, 1.25, 1.25), (1, 1.25, 1.25))},
    )  # fmt: skip
    assert "must give a number from -1 to 1" in run["wrong"].fault
    assert run["right"].fault == ""
    assert run["right"].book.numbers["long_units"] == 10


def test_ticks_at_one_time_come_in_the_order_of_the_symbols_whatever_the_part() -> None:
    random = np.random.default_rng(3)
    ticks = [
        make_ticks(np.sort(random.integers(0, 50, n)), np.full(n, 1.0 + k), np.full(n, 1.5 + k))
        for k, n in enumerate((40, 1, 90))
    ]
    joined = np.concatenate(
        [np.stack([each["time_ns"], np.full(len(each), k)], axis=1) for k, each in enumerate(ticks)]
    )
    expected = joined[np.argsort(joined[:, 0], kind="stable")]
    for n_rows in (1, 7, 64, 10_000):
        rows = np.concatenate(list(merged(ticks, n_rows)))
        assert rows["time_ns"].tolist() == expected[:, 0].tolist()
        assert rows["symbol"].tolist() == expected[:, 1].tolist()
        assert (rows["bid"] == 1.0 + rows["symbol"]).all()


def bad(ticks: dict[str, Ticks], *members: Member) -> AccountReplay:
    return replay_account(list(members) or [Member(holds(0.1), "EURUSD")], ticks)


def test_ticks_out_of_order_are_refused_with_their_symbol() -> None:
    pound = quotes((2, 1.5, 1.5), (1, 1.5, 1.5))
    with pytest.raises(BadData, match=r"GBPUSD.*times must not go back"):
        bad({"EURUSD": EURO, "GBPUSD": pound}, Member(holds(0.1), "EURUSD"), Member(holds(0.1), "GBPUSD"))


def test_a_quote_that_is_not_a_number_is_refused_with_its_symbol() -> None:
    with pytest.raises(BadData, match=r"EURUSD.*tick 1 is"):
        bad({"EURUSD": quotes((0, 1.25, 1.25), (1, float("nan"), 1.25))})


def test_a_symbol_without_ticks_is_named() -> None:
    with pytest.raises(BadData, match="members trade GBPUSD"):
        bad({"EURUSD": EURO}, Member(holds(0.1), "GBPUSD"))


def test_ticks_that_nobody_needs_are_named() -> None:
    with pytest.raises(BadData, match=r"ticks of EURGBP are of no member and convert nothing into USD"):
        bad({"EURUSD": EURO, "EURGBP": EURO})


def test_no_members_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(Misconfigured, match="at least one member"):
        replay_account([], {"EURUSD": EURO})
    with pytest.raises(Misconfigured, match="names of their own"):
        bad({"EURUSD": EURO}, Member(holds(0.1), "EURUSD"), Member(holds(0.2), "EURUSD"))


def test_bars_and_a_daily_loss_of_ones_own_are_refused() -> None:
    with pytest.raises(BadData, match=r"EURUSD: ticks must be"):
        bad({"EURUSD": bars(EURO, "1m")})
    own = RiskLimits(daily_loss_fraction=0.5)
    with pytest.raises(Misconfigured, match=r"daily_loss_fraction must be the account's 0\.03"):
        bad({"EURUSD": EURO}, Member(holds(0.1), "EURUSD", limits=own))


def test_a_conversion_that_is_missing_late_or_stale_is_named_at_the_start() -> None:
    trades = quotes((0, 160.0, 160.0), (3_000, 160.0, 160.0), (6_000, 160.0, 160.0))
    member = Member(holds(0.1), EURJPY)
    euro = quotes((0, 1.1, 1.1), (3_000, 1.1, 1.1))
    with pytest.raises(BadData, match="EURJPY on a USD account needs JPY in USD"):
        bad({"EURJPY": trades, "EURUSD": euro}, member)
    with pytest.raises(BadData, match="needs EUR in USD for its margin"):
        bad({"EURJPY": trades, "USDJPY": quotes((0, 150.0, 150.0), (3_000, 150.0, 150.0))}, member)
    with pytest.raises(BadData, match="USDJPY, which must be quoted from EURJPY's first tick on"):
        bad({"EURJPY": trades, "EURUSD": euro, "USDJPY": quotes((1, 150.0, 150.0))}, member)
    with pytest.raises(BadData, match="USDJPY, whose quote may be 3600 s old"):
        bad({"EURJPY": trades, "EURUSD": euro, "USDJPY": quotes((0, 150.0, 150.0))}, member)


def test_the_age_of_a_conversion_does_not_count_the_weekend() -> None:
    weekend = 60 * 3600
    trades = quotes((0, 160.0, 160.0), (weekend, 160.0, 160.0), (weekend + 60, 160.0, 160.0))
    dollar = quotes((0, 150.0, 150.0), (weekend + 30, 150.0, 150.0))
    euro = quotes((0, 1.1, 1.1), (weekend + 30, 1.1, 1.1))
    run = bad({"EURJPY": trades, "USDJPY": dollar, "EURUSD": euro}, Member(holds(0.1), EURJPY, name="yen"))
    assert run["yen"].book.numbers["long_units"] == 10
