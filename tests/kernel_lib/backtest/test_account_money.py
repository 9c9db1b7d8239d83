"""One account for several members, by hand: margin, stop-out, daily loss, conversion, swap and commission."""

import msgspec
import pytest

from kernel_lib.backtest import Member, replay_account
from kernel_lib.market.instrument import Instrument
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits
from kernel_lib.trading.record import Kind, Reason
from tests.kernel_lib.backtest.account_cases import EURJPY, FREE, WIDE, equity_at, holds, quotes, rows

EURO = quotes((0, 1.25, 1.25), (10, 1.25, 1.25))
POUND = quotes((1, 1.5, 1.5), (11, 1.5, 1.5))


@pytest.mark.parametrize("hedging", [False, True], ids=["netting", "hedging"])
def test_a_member_gets_only_the_margin_that_the_others_leave(hedging: bool) -> None:
    account = AccountConfig(hedging=hedging)

    def pounds(lots: float) -> list[int]:
        members = [Member(holds(5.0), "EURUSD"), Member(holds(lots), "GBPUSD", name="pound")]
        run = replay_account(members, {"EURUSD": EURO, "GBPUSD": POUND}, account=account, limits=WIDE, costs=FREE)
        denied = rows(run, "pound", Kind.DENIED)
        return [*denied["reason"].tolist(), *run["pound"].book.positions["units"].tolist()]

    assert pounds(2.5) == [250]  # 6,250 of euros and 3,750 of pounds are the 10,000
    assert pounds(2.51) == [int(Reason.NO_MARGIN)]


def test_two_strategies_on_one_instrument_share_one_margin_in_the_order_given() -> None:
    members = [Member(holds(5.0), "EURUSD", name="first"), Member(holds(5.0), "EURUSD", name="second")]
    run = replay_account(members, {"EURUSD": EURO}, limits=WIDE, costs=FREE)
    assert run["first"].book.positions["units"].tolist() == [500]
    assert rows(run, "second", Kind.DENIED)["reason"].tolist() == [int(Reason.NO_MARGIN)]


def test_an_order_on_its_way_has_taken_its_margin_already() -> None:
    members = [Member(holds(5.0), "EURUSD", name="first"), Member(holds(5.0), "EURUSD", name="second")]
    slow = Costs(commission_per_lot=0.0, latency_ms=2_000.0, swap=False)
    run = replay_account(members, {"EURUSD": EURO}, limits=WIDE, costs=slow)
    assert len(rows(run, "second", Kind.FILL)) == 0
    assert rows(run, "first", Kind.FILL)["units"].tolist() == [500]


@pytest.mark.parametrize("hedging", [False, True], ids=["netting", "hedging"])
def test_stop_out_closes_what_has_lost_most_in_the_whole_account_until_the_level_holds(hedging: bool) -> None:
    euro = quotes((0, 1.25, 1.25), (10, 1.24, 1.24))
    pound = quotes((1, 1.5, 1.5), (11, 1.49, 1.49))
    members = [Member(holds(3.0), "GBPUSD", name="pound"), Member(holds(4.0), "EURUSD", name="euro")]
    account = AccountConfig(hedging=hedging, margin_call_fraction=0.0)
    run = replay_account(members, {"EURUSD": euro, "GBPUSD": pound}, account=account, limits=WIDE, costs=FREE)
    # Equity 10,000 - 4,000 - 3,000 on margins of 4,960 and 4,470; without the euros 3,000 on 4,470.
    closed = rows(run, "euro", Kind.CLOSED)
    assert closed["reason"].tolist() == [int(Reason.STOP_OUT)]
    assert closed["profit_minor"].tolist() == [-4_000_00]
    assert closed["time_ns"].tolist() == [pound["time_ns"][1]]
    assert run["pound"].book.positions["units"].tolist() == [300]
    assert run.numbers["equity_minor"] == 3_000_00
    assert run.report().statistics["stop_outs_count"] == 1


def test_a_margin_call_stops_the_entries_of_all_and_is_over_when_the_level_holds_again() -> None:
    euro = quotes((0, 1.25, 1.25), (10, 1.242, 1.242), (20, 1.25, 1.25))
    pound = quotes((1, 1.5, 1.5), (11, 1.5, 1.5), (21, 1.5, 1.5))
    members = [Member(holds(7.0), "EURUSD", name="euro"), Member(holds(0.1, since=10), "GBPUSD", name="pound")]
    run = replay_account(members, {"EURUSD": euro, "GBPUSD": pound}, limits=WIDE, costs=FREE)
    # 10,000 - 5,600 is below the 8,694 of margin, and above half of it.
    for name in ("euro", "pound"):
        assert rows(run, name, Kind.CONTROL)["reason"].tolist() == [
            int(Reason.MARGIN_CALL),
            int(Reason.MARGIN_RESTORED),
        ]
    assert rows(run, "pound", Kind.DENIED)["reason"].tolist() == [int(Reason.MARGIN_CALL)]
    assert rows(run, "pound", Kind.FILL)["time_ns"].tolist() == [pound["time_ns"][2]]


def test_a_margin_call_is_over_when_the_members_have_closed_by_themselves() -> None:
    euro = quotes((0, 1.25, 1.25), (10, 1.242, 1.242), (20, 1.242, 1.242), (30, 1.242, 1.242))
    members = [
        Member(holds(7.0, until=10), "EURUSD", name="euro"), Member(holds(0.1, since=15), "EURUSD", name="later"),
    ]  # fmt: skip
    run = replay_account(members, {"EURUSD": euro}, limits=WIDE, costs=FREE)
    assert rows(run, "later", Kind.FILL)["time_ns"].tolist() == [euro["time_ns"][2]]


def test_the_daily_loss_is_the_accounts_and_locks_every_member() -> None:
    euro = quotes((0, 1.25, 1.25), (10, 1.2469, 1.2469), (20, 1.2469, 1.2469))
    pound = quotes((1, 1.5, 1.5), (21, 1.5, 1.5))
    members = [Member(holds(1.0), "EURUSD", name="euro"), Member(holds(0.1, since=15), "GBPUSD", name="pound")]
    limits = RiskLimits(max_lots=100.0, daily_loss_fraction=0.03)
    run = replay_account(members, {"EURUSD": euro, "GBPUSD": pound}, limits=limits, costs=FREE)
    assert rows(run, "pound", Kind.DENIED)["reason"].tolist() == [int(Reason.DAILY_LOSS)]  # 310 lost of 300


@pytest.mark.parametrize(
    ("points", "side", "worth"),
    [(-5.0, 1.0, 1 / 149.0), (5.0, 1.0, 1 / 151.0), (-5.0, -1.0, 1 / 149.0), (5.0, -1.0, 1 / 151.0)],
)
def test_swap_that_is_paid_is_bought_and_swap_that_is_earned_is_sold_whatever_the_position_has_made(
    points: float, side: float, worth: float
) -> None:
    contract = msgspec.structs.replace(EURJPY, swap_long_points=points, swap_short_points=points)
    night = 24 * 3_600
    ticks = {
        "EURJPY": quotes((0, 160.0, 160.0), (2, 160.5, 160.5), (night, 160.5, 160.5)),  # a long has gained
        "USDJPY": quotes((0, 149.0, 151.0)), "EURUSD": quotes((0, 1.1, 1.1002)),
    }  # fmt: skip
    costs = Costs(commission_per_lot=0.0, latency_ms=0.0)
    member = Member(holds(1.0, side=side), contract, name="yen")
    run = replay_account([member], ticks, limits=WIDE, costs=costs, stale_after_s=10.0 * night)
    (position,) = run["yen"].book.positions
    assert position["swap_minor"] == pytest.approx(points * 100 * worth * 100)  # a point on a lot is 100 yen


def test_an_index_in_another_currency_takes_its_price_over_the_leverage_as_margin() -> None:
    dax = Instrument(
        symbol="GER40", digits=1, point=0.1, tick_size=0.1, contract_size=1.0, lot_step=0.1, min_lots=0.1,
        currency_base="EUR", currency_profit="EUR",
    )  # fmt: skip
    ticks = {"GER40": quotes((0, 16_000.0, 16_000.0), (2, 16_000.0, 16_000.0)), "EURUSD": quotes((0, 1.25, 1.25))}
    account = AccountConfig(leverage=20.0)

    def held(lots: float) -> list[int]:
        run = replay_account([Member(holds(lots), dax, name="dax")], ticks, account=account, limits=WIDE, costs=FREE)
        units: list[int] = run["dax"].book.positions["units"].tolist()
        return units

    assert held(10.0) == [100]  # 10 * 16,000 / 20 euros are the 10,000 dollars
    assert held(10.1) == []


def test_yen_are_converted_at_the_quote_of_the_dollar_at_that_time_a_profit_at_the_ask_a_loss_at_the_bid() -> None:
    ticks = {
        "EURJPY": quotes((0, 160.0, 160.0), (2, 160.5, 160.5), (6, 159.5, 159.5), (8, 159.5, 159.5)),
        "USDJPY": quotes((0, 149.99, 150.01), (4, 140.0, 140.02)),
        "EURUSD": quotes((0, 1.1, 1.1002)),
    }
    run = replay_account([Member(holds(1.0, until=8), EURJPY, name="yen")], ticks, limits=WIDE, costs=FREE)
    assert equity_at(run, 2) == pytest.approx(10_000 + 50_000 / 150.01, abs=1e-6)
    assert equity_at(run, 4) == pytest.approx(10_000 + 50_000 / 140.02, abs=1e-6)  # only the dollar has moved
    assert equity_at(run, 6) == pytest.approx(10_000 - 50_000 / 140.0, abs=1e-6)
    assert rows(run, "yen", Kind.CLOSED)["profit_minor"].tolist() == [-357_14]
    assert run.numbers["balance_minor"] == 10_000_00 - 357_14


@pytest.mark.parametrize(("side", "margin"), [(1.0, 1_100_20), (-1.0, 1_100_00)], ids=["buy", "sell"])
def test_margin_in_euros_is_converted_at_the_ask_for_a_buy_and_at_the_bid_for_a_sell(side: float, margin: int) -> None:
    ticks = {
        "EURJPY": quotes((0, 160.0, 160.0), (2, 160.0, 160.0)),
        "USDJPY": quotes((0, 150.0, 150.0)),
        "EURUSD": quotes((0, 1.1, 1.1002)),
    }
    run = replay_account([Member(holds(1.0, side=side), EURJPY)], ticks, limits=WIDE, costs=FREE)
    assert run.numbers["margin_minor"] == pytest.approx(margin)


def test_margin_that_only_a_moved_conversion_makes_too_small_calls() -> None:
    ticks = {
        "EURJPY": quotes((0, 160.0, 160.0), (5, 160.0, 160.0)),
        "USDJPY": quotes((0, 150.0, 150.0)),
        "EURUSD": quotes((0, 1.1, 1.1), (3, 1.2, 1.2)),
    }
    run = replay_account([Member(holds(9.0), EURJPY, name="yen")], ticks, limits=WIDE, costs=FREE)
    called = rows(run, "yen", Kind.CONTROL)
    assert called["reason"].tolist() == [int(Reason.MARGIN_CALL)]  # 9,900 of margin have become 10,800
    assert called["time_ns"].tolist() == [ticks["EURUSD"]["time_ns"][1]]


def test_a_pound_account_sells_its_dollars_for_pounds() -> None:
    ticks = {"EURUSD": quotes((0, 1.25, 1.25), (2, 1.26, 1.26)), "GBPUSD": quotes((0, 1.5, 1.6)),
             "EURGBP": quotes((0, 0.8, 0.81))}  # fmt: skip
    account = AccountConfig(currency="GBP")
    run = replay_account([Member(holds(1.0), "EURUSD")], ticks, account=account, limits=WIDE, costs=FREE)
    assert run.numbers["equity_minor"] == pytest.approx(10_000_00 + 1_000_00 / 1.6)
    assert run.numbers["margin_minor"] == pytest.approx(100_000_00 * 0.81 / 100)


def test_a_fixed_rate_stands_though_a_pair_is_quoted() -> None:
    ticks = {"EURJPY": quotes((0, 160.0, 160.0), (2, 161.0, 161.0)), "USDJPY": quotes((0, 150.0, 150.0))}
    account = AccountConfig(rates={"JPY": 0.005, "EUR": 1.0})
    run = replay_account([Member(holds(1.0), EURJPY)], ticks, account=account, limits=WIDE, costs=FREE)
    assert run.numbers["equity_minor"] == pytest.approx(10_000_00 + 500_00)


def test_swap_and_commission_of_all_members_are_booked_to_the_account() -> None:
    night = 12 * 3600 + 60  # past the server's midnight, 22:00 UTC in winter
    ticks = {
        "EURUSD": quotes((0, 1.25, 1.25), (night, 1.25, 1.25), (night + 5, 1.25, 1.25)),
        "GBPUSD": quotes((0, 1.5, 1.5), (night, 1.5, 1.5), (night + 5, 1.5, 1.5)),
    }
    members = [
        Member(holds(1.0, until=night), "EURUSD", name="euro"), Member(holds(2.0, until=night), "GBPUSD", name="pound"),
    ]  # fmt: skip
    run = replay_account(members, ticks, limits=WIDE, costs=Costs(commission_per_lot=3.0, latency_ms=0.0))
    statistics = run.report().statistics
    assert statistics["swap_money"] == pytest.approx(-6.5 - 2 * 3.2)
    assert statistics["commission_money"] == pytest.approx(2 * 3.0 + 2 * 6.0)
    assert statistics["net_profit_money"] == pytest.approx(-12.9 - 18.0)
    assert run.report().members["net_profit_money"].tolist() == pytest.approx([-12.5, -18.4])
